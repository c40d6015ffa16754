import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNodeFleet } from '../../bench/node-fleet.js'
import { judgeAdmitted } from '../support/limits/admitted-bound.js'
import { startHammer, type Hammered } from '../support/limits/hammer.js'
import { startLimitBed } from '../support/limits/limit-bed.js'

const DURATION_MS = 120_000
const CAPACITY_MS = 3_000
const FLEET = ['--max-running', '100000', '--keep-alive-ms', '300000']
const MODEL = 'sim-8b'

/** Requests per minute, and how many of the 64 connections hammer each. */
const RATES = new Map([
  [1, 2],
  [10, 2],
  [60, 4],
  [600, 4],
  [6_000, 8],
  [60_000, 28],
])
/** Tokens are limited where answers are far shorter than asked for, and longer than reckoned with. */
const TOKENS = [
  { what: 'shorter', perMinute: 60_000, model: 'shorter', ask: { max_tokens: 60 }, estimate: 70 },
  // No length is asked for: 1,024 are reckoned with.
  { what: 'longer', perMinute: 600_000, model: 'longer', ask: {}, estimate: 1_030 },
] as const
const LONG_ANSWER = 1_500
const TOKEN_CONNECTIONS = 8
/** Of all replies: a bucket that is always empty refuses at least so many. */
const LEAST_REFUSED = 0.4
const OVERLOADED_TIMES = 5

const chat = (model: string, ask: object) => ({
  model,
  messages: [{ role: 'user', content: 'Hello' }],
  ...ask,
})
const total = (counts: Iterable<number>) => [...counts].reduce((sum, count) => sum + count, 0)
const seconds = ({ firstSentAt, lastSentAt }: Hammered) => (lastSentAt - firstSentAt) / 1000
const answered = ({ admitted, refused }: Hammered) => admitted.length + total(refused.values())

test('64 connections over four proxies of two instances get burst + rate × time of requests and of tokens', async (t) => {
  await using bed = await startLimitBed()
  const { ports } = bed
  await using fleet = await startNodeFleet(FLEET)
  await using short = await startNodeFleet([...FLEET, '--model', 'shorter', '--eos', '0.2'])
  await using long = await startNodeFleet([
    ...FLEET,
    '--model',
    'longer',
    '--chat-max-tokens',
    String(LONG_ANSWER),
  ])
  for (const [model, { urls }] of [
    [MODEL, fleet],
    ['shorter', short],
    ['longer', long],
  ] as const) {
    await bed.serve(model, { url: urls[0] ?? '', options: { models: [model] } })
  }
  const oneToken = chat(MODEL, { max_tokens: 1 })

  const free = await startHammer({ ports, key: await bed.key({}), connections: 64, body: oneToken })
  await sleep(CAPACITY_MS)
  const capacity = await free.stop()
  const perSecond = capacity.admitted.length / seconds(capacity)
  t.diagnostic(`without limits: ${perSecond.toFixed(0)} requests/s`)
  assert.deepEqual([capacity.broken, capacity.lost, capacity.refused.size], [0, 0, 0])

  const rates = await Promise.all(
    [...RATES].map(async ([perMinute, connections]) => {
      const key = await bed.key({ rate_limit_per_minute: perMinute })
      return { perMinute, hammer: await startHammer({ ports, key, connections, body: oneToken }) }
    }),
  )
  const tokens = await Promise.all(
    TOKENS.map(async (limit) => {
      const key = await bed.key({ tokens_per_minute: limit.perMinute })
      const body = chat(limit.model, limit.ask)
      return { limit, hammer: await startHammer({ ports, key, connections: TOKEN_CONNECTIONS, body }) }
    }),
  )
  await sleep(DURATION_MS)
  const [ofRates, ofTokens] = await Promise.all([
    Promise.all(rates.map(async ({ perMinute, hammer }) => ({ perMinute, run: await hammer.stop() }))),
    Promise.all(tokens.map(async ({ limit, hammer }) => ({ limit, run: await hammer.stop() }))),
  ])

  const runs = [...ofRates, ...ofTokens].map(({ run }) => run)
  const longest = Math.max(...runs.map(seconds))
  t.diagnostic(`${(total(runs.map(answered)) / longest).toFixed(0)} requests/s were answered, with refusals`)
  const wrong: string[] = []
  const isSlow = (run: Hammered) => total(run.refused.values()) < answered(run) * LEAST_REFUSED
  // Where processes wait for a processor Redis answers late, and they go by their shares for seconds: what they used then is
  // told when it answers, and until then it is too much.
  const times = runs.some(isSlow) ? OVERLOADED_TIMES : 1
  if (times > 1) t.diagnostic(`the machine is overloaded: held to ${times} times the tolerance`)
  const judge = (
    what: string,
    run: Hammered,
    verdict: ReturnType<typeof judgeAdmitted>,
    admitted: number,
  ) => {
    const refused = total(run.refused.values())
    // A machine that can send little more than the limit lets through does not keep the bucket empty. It shows that not too
    // much is let through, and no more than that.
    const tooSlow = isSlow(run)
    const found = tooSlow ? verdict.text.replace(/ WRONG$/, '') : verdict.text
    const text = `${what} ${found}, ${refused} refused${tooSlow ? ': TOO SLOW to tell whether it is too few' : ''}`
    t.diagnostic(text)
    const off = admitted - verdict.expected
    if ((tooSlow ? off : Math.abs(off)) > times * verdict.tolerance) wrong.push(text)
  }
  for (const { perMinute, run } of ofRates) {
    const admitted = run.admitted.length
    judge('requests', run, judgeAdmitted({ perMinute, admitted, seconds: seconds(run) }), admitted)
  }
  for (const { limit, run } of ofTokens) {
    const admitted = total(run.admitted.map((one) => one.tokens))
    const each = admitted / run.admitted.length
    const inFlight = limit.estimate + TOKEN_CONNECTIONS * Math.abs(each - limit.estimate)
    judge(
      `tokens, ${each.toFixed(0)} each where ${limit.estimate} are reckoned with,`,
      run,
      judgeAdmitted({ perMinute: limit.perMinute, admitted, seconds: seconds(run), inFlight }),
      admitted,
    )
    assert.ok(limit.what === 'longer' ? each > limit.estimate : each < limit.estimate)
  }
  for (const { refused, broken, lost } of runs) {
    assert.deepEqual([broken, lost], [0, 0])
    for (const code of refused.keys()) assert.equal(code, 'rate_limit_exceeded')
  }
  assert.deepEqual(wrong, [])
})
