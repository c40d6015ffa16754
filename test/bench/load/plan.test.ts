import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../../bench/command.js'
import { planOf } from '../../../bench/load/options.js'
import { settingsOf } from '../../../bench/load/plan.js'

const planFor = (text: string, env: NodeJS.ProcessEnv = {}) =>
  planOf(text === '' ? [] : text.split(' '), env).plan

test('by default ten chat streams are open at a time for half a minute', () => {
  const { out, report, plan } = planOf([])
  assert.deepEqual({ out, report }, { out: null, report: null })
  assert.deepEqual(
    [plan.url, plan.key, plan.model, plan.endpoint, plan.stream],
    ['http://127.0.0.1:8080/v1', null, null, 'chat', true],
  )
  assert.deepEqual(plan.loop, { kind: 'closed' })
  assert.deepEqual(plan.stages, [{ seconds: 30, from: 10, to: 10 }])
  assert.deepEqual([plan.requests, plan.abortRate, plan.seed, plan.processes], [null, 0, 1, 1])
})

test('a rate makes an open loop, a concurrency a closed one', () => {
  assert.deepEqual(planFor('--rate 2.5 --duration 2m').stages, [{ seconds: 120, from: 2.5, to: 2.5 }])
  assert.deepEqual(planFor('--rate 1').loop, { kind: 'open', arrivals: 'constant' })
  assert.deepEqual(planFor('--rate 1 --arrivals poisson').loop, { kind: 'open', arrivals: 'poisson' })
  assert.deepEqual(planFor('--concurrency 7').loop, { kind: 'closed' })
})

test('ramps and steps count what --mode says, each step as long as --duration', () => {
  assert.deepEqual(planFor('--steps 10,20 --duration 5s').stages, [
    { seconds: 5, from: 10, to: 10 },
    { seconds: 5, from: 20, to: 20 },
  ])
  assert.equal(planFor('--steps 10,20').loop.kind, 'open')
  assert.equal(planFor('--steps 10,20 --mode concurrency').loop.kind, 'closed')
  assert.deepEqual(planFor('--ramp 0:100:60').stages, [{ seconds: 60, from: 0, to: 100 }])
  assert.deepEqual(planFor('--ramp 8:1:10 --mode concurrency --duration 15s').stages, [
    { seconds: 10, from: 8, to: 1 },
    { seconds: 5, from: 1, to: 1 },
  ])
})

test('a count of requests takes the place of a duration', () => {
  const { stages, requests } = planFor('--concurrency 2 --requests 50')
  assert.deepEqual([stages, requests], [[{ seconds: null, from: 2, to: 2 }], 50])
})

test('the URL may have /v1 or not', () => {
  for (const url of ['http://h:1', 'http://h:1/', 'http://h:1/v1', 'http://h:1/v1/'])
    assert.equal(planFor(`--url ${url}`).url, 'http://h:1/v1')
  assert.equal(planFor('--url https://h/openai').url, 'https://h/openai/v1')
})

test('the key comes from the option, else from the environment, and is part of no report', () => {
  const env = { CROSSLOGIC_API_KEY: 'own', OPENAI_API_KEY: 'other' }
  assert.equal(planFor('--key given', env).key, 'given')
  assert.equal(planFor('', env).key, 'own')
  assert.equal(planFor('', { CROSSLOGIC_API_KEY: '', OPENAI_API_KEY: 'other' }).key, 'other')
  assert.equal(planFor('--header authorization:Basic', env).key, null)
  const plan = planOf(['--key', 'secret-1', '--header', 'x-api-key: secret-2']).plan
  assert.deepEqual(plan.headers, [['x-api-key', 'secret-2']])
  assert.doesNotMatch(JSON.stringify(settingsOf(plan)), /secret/)
})

test('reads what a request is made of', () => {
  const plan = planFor(
    '--endpoint completions --no-stream --prompt-tokens uniform:1-9 --output-tokens lognormal:100,0.5 ' +
      '--shared-prefix 50 --prefixes 3 --body-field ignore_eos=true --body-field stop=["x"] --abort-rate .25',
  )
  assert.deepEqual(plan.prompts, {
    kind: 'synthetic',
    tokens: { kind: 'uniform', least: 1, most: 9 },
    sharedPrefixTokens: 50,
    prefixes: 3,
  })
  assert.deepEqual(plan.outputTokens, { kind: 'lognormal', median: 100, sigma: 0.5 })
  assert.deepEqual(plan.bodyFields, { ignore_eos: true, stop: ['x'] })
  assert.deepEqual([plan.stream, plan.abortRate], [false, 0.25])
  assert.deepEqual(planFor('--slo ttft=500ms,itl=50ms,e2e=10s').slo, {
    ttftMicros: 500_000,
    itlMicros: 50_000,
    e2eMicros: 10_000_000,
  })
})

const CONTRADICTIONS = [
  '--rate 1 --concurrency 1',
  '--rate 1 --ramp 1:2:3',
  '--concurrency 1 --steps 1,2',
  '--ramp 1:2:3 --steps 1,2',
  '--ramp 1:2:3 --requests 5',
  '--steps 1,2 --requests 5',
  '--requests 5 --duration 5s',
  '--ramp 1:2:30 --duration 5s',
  '--concurrency 1 --arrivals poisson',
  '--rate 1 --mode rate',
  '--prompts f --prompt-tokens 5',
  '--prompts f --shared-prefix 5',
  '--prefixes 5',
  '--no-stream --slo ttft=1s',
  '--endpoint embeddings --slo itl=1s',
  '--endpoint embeddings --output-tokens 5',
  '--key k --header authorization:x',
]

const BAD_VALUES = [
  '--url localhost:8080',
  '--url ftp://h',
  '--url http://user:word@h',
  '--url http://h/?q',
  '--rate 0',
  '--rate fast',
  '--rate=-1',
  '--concurrency 1.5',
  '--concurrency 0',
  '--ramp 1:2',
  '--ramp 0:0:5',
  '--ramp 1:2:x',
  '--steps 1,,2',
  '--arrivals random --rate 1',
  '--mode open --steps 1',
  '--duration soon',
  '--duration 0s',
  '--warm-up=-1s',
  '--requests 0',
  '--timeout 0s',
  '--abort-rate 2',
  '--abort-rate x',
  '--endpoint audio',
  '--prompt-tokens 0',
  '--prompt-tokens uniform:9-1',
  '--output-tokens normal:5',
  '--shared-prefix x',
  '--header nothing',
  '--header content-length:5',
  '--body-field x',
  '--body-field x=y',
  '--body-field model="m"',
  '--slo tpot=5ms',
  '--slo ttft=soon',
  '--slo ttft=1s,ttft=2s',
  '--seed x',
  '--processes 0',
  '--max-open 0',
  '--key ä',
]

test('refuses options that contradict each other and values that cannot be used, in one line', () => {
  for (const text of [...CONTRADICTIONS, ...BAD_VALUES])
    assert.throws(
      () => planFor(text),
      (error) => error instanceof UsageError && /^[^\n]{10,250}$/.test(error.message),
      text,
    )
})

test('a header that is refused is not repeated: it may hold a secret', () => {
  assert.throws(
    () => planOf(['--header', 'x-key secret']),
    (error) => error instanceof UsageError && !error.message.includes('secret'),
  )
})
