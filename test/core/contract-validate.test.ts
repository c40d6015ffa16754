import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createModel, listModels, patchModel } from '../../src/core/contract/models.js'
import { registerNode } from '../../src/core/contract/nodes.js'
import { putRoute } from '../../src/core/contract/routes.js'
import { createTenant, listTenants, patchTenant } from '../../src/core/contract/tenants.js'
import { getUsage } from '../../src/core/contract/usage.js'
import { parseBy, parseJsonBody, parseQuery } from '../../src/core/contract/validate.js'
import type { z } from 'zod'
import { GatewayError } from '../../src/core/errors.js'
import { dollarsOfMicros, microsOfDollars } from '../../src/core/money.js'

function refusal(work: () => unknown): { code: string; param: string | null } {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error))
    return { code: error.code, param: error.param }
  }
  throw new assert.AssertionError({ message: 'it was accepted' })
}
const parsed = (schema: z.ZodType, input: unknown) => refusal(() => parseBy(schema, input))
const json = (text: string) => parseJsonBody(Buffer.from(text))

const tenant = { name: 'Acme', email: 'a@acme.example', tier: 'pro' }
const model = {
  name: 'm',
  family: 'f',
  type: 'chat',
  context_length: 1,
  vram_required_gb: 1,
  price_input_per_million: 0.1,
  price_output_per_million: 0.2,
}
const node = { cluster_name: 'n-1', model_name: 'm', endpoint_url: 'http://127.0.0.1:1' }

test('a body is one JSON object in UTF-8, nested at most 32 deep', () => {
  assert.deepEqual(json(''), {})
  assert.deepEqual(json(' {"a":[1]} '), { a: [1] })
  const bad = ['{', '[]', '1', 'null', '"x"', '{"a":1}}', "{'a':1}", '{"a":\u00a01}', '\ufeff{}', '{"a":01}']
  for (const text of bad) assert.equal(refusal(() => json(text)).code, 'invalid_json', text)
  assert.equal(refusal(() => parseJsonBody(Buffer.from([0x7b, 0x22, 0xff, 0x22]))).code, 'invalid_json')
  json(`{"a":${'['.repeat(31)}${']'.repeat(31)}}`)
  assert.equal(refusal(() => json(`{"a":${'['.repeat(32)}${']'.repeat(32)}}`)).code, 'invalid_json')
  assert.equal(refusal(() => json('['.repeat(1_000_000))).code, 'invalid_json')
  assert.deepEqual(json(`{"a":"${'['.repeat(100)}\\"${'['.repeat(100)}"}`), {
    a: `${'['.repeat(100)}"${'['.repeat(100)}`,
  })
})

test('whatever bytes come, a body is an object or refused', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(bytes, (body) => {
      try {
        assert.equal(typeof parseJsonBody(body), 'object')
      } catch (error) {
        assert.ok(error instanceof GatewayError && ['invalid_json', 'unknown_parameter'].includes(error.code))
      }
    }),
  )
})

test('an unknown field is named, also below the top and beside a missing one', () => {
  const body = createTenant.body
  assert.deepEqual(parsed(body, { ...tenant, nmae: 1 }), { code: 'unknown_parameter', param: 'nmae' })
  assert.deepEqual(parsed(body, { nmae: 'x' }), { code: 'unknown_parameter', param: 'nmae' })
  const nested = { health_check: { interval: 1 } }
  assert.deepEqual(parsed(putRoute.body, nested), {
    code: 'unknown_parameter',
    param: 'health_check.interval',
  })
  const proto: unknown = JSON.parse('{"__proto__":{"x":1}}')
  assert.equal(parsed(patchTenant.body, proto).code, 'unknown_parameter')
})

test('a wrong or missing field is named with its place', () => {
  assert.deepEqual(parsed(createTenant.body, { name: 'x' }), { code: 'invalid_parameter', param: 'email' })
  const lists = { ...tenant, allowed_models: ['ok', 3] }
  assert.deepEqual(parsed(createTenant.body, lists), {
    code: 'invalid_parameter',
    param: 'allowed_models[1]',
  })
  const weights = { node_weights: { 'n-1': -0.5 } }
  assert.deepEqual(parsed(putRoute.body, weights), { code: 'invalid_parameter', param: 'node_weights.n-1' })
  assert.equal(parsed(patchTenant.body, {}).code, 'invalid_parameter')
  assert.equal(parsed(createTenant.body, { ...tenant, name: 'a\u0000b' }).param, 'name')
  assert.equal(parsed(createTenant.body, { ...tenant, name: '\ud800' }).param, 'name')
  for (const endpoint_url of [
    'ftp://host:21',
    'host:8000',
    'http://user:secret@host:8000',
    'http://host:8000/v1',
    'http://169.254.169.254',
    'http://[fe80::1]:8000',
  ]) {
    const refused = { code: 'invalid_parameter', param: 'endpoint_url' }
    assert.deepEqual(parsed(registerNode.body, { ...node, endpoint_url }), refused, endpoint_url)
  }
  assert.equal(parsed(registerNode.body, { ...node, api_key: 'a\r\nb: c' }).param, 'api_key')
  assert.equal(parsed(createModel.body, { ...model, aliases: ['a', 'a'] }).param, 'aliases')
})

test('a field __proto__ is unknown at any depth, however it is written', () => {
  const bodies: [string, string][] = [
    ['{"__proto__":{"x":1}}', '__proto__'],
    ['{"node_weights":{"__proto__":1}}', 'node_weights.__proto__'],
    ['{"metadata":{"a":[0,{"\\u005f_proto__":null}]}}', 'metadata.a[1].__proto__'],
  ]
  for (const [body, param] of bodies) {
    assert.deepEqual(
      refusal(() => json(body)),
      { code: 'unknown_parameter', param },
    )
  }
  assert.deepEqual(json('{"a":"__proto__"}'), { a: '__proto__' })
})

test('metadata holds what comes back as it was sent, and nothing else', () => {
  const invalid = { code: 'invalid_parameter', param: 'metadata' }
  for (const text of [
    '{"a":"\\ud800"}',
    '{"\\udc00":1}',
    '{"a":{"\\ud800":1}}',
    '{"a":["x\\u0000"]}',
    '{"\\u0000":1}',
    '{"a":1e400}',
    '{"a":[-1e400]}',
    '{"a":12345678901234567890}',
    '{"a":9007199254740993}',
  ]) {
    assert.deepEqual(parsed(createModel.body, { ...model, metadata: json(text) }), invalid, text)
    assert.deepEqual(parsed(patchModel.body, { metadata: json(text) }), invalid, text)
  }
  const kept = json('{"a":"\\ud83d\\ude00","b":[9007199254740991,-0.1,1e-7,null,true],"":{"é":""}}')
  assert.deepEqual(parseBy(patchModel.body, { metadata: kept }), { metadata: kept })
})

test('a name is not blank', () => {
  for (const name of ['', ' ', '\u00a0\u2003', '\u200b', '\u3000 \ufeff']) {
    assert.deepEqual(parsed(createTenant.body, { ...tenant, name }), {
      code: 'invalid_parameter',
      param: 'name',
    })
  }
  parseBy(createTenant.body, { ...tenant, name: ' 名 ' })
})

test('a node has no name that is a path of its own', () => {
  for (const cluster_name of ['launch', 'launch-status']) {
    assert.deepEqual(parsed(registerNode.body, { ...node, cluster_name }), {
      code: 'invalid_parameter',
      param: 'cluster_name',
    })
  }
  parseBy(registerNode.body, { ...node, cluster_name: 'launch-1' })
})

test('a number in a query is of digits alone', () => {
  const bad = ['', ' 1', '0x10', '1e1', '+1', '-1', '1.', '.5', 'Infinity', '٣', '9'.repeat(400)]
  for (const value of bad) {
    for (const name of ['limit', 'offset']) {
      const refused = parsed(listTenants.query, { [name]: value })
      assert.deepEqual(refused, { code: 'invalid_parameter', param: name }, value)
    }
    for (const name of ['min_vram', 'max_vram']) {
      const refused = parsed(listModels.query, { [name]: value })
      assert.deepEqual(refused, { code: 'invalid_parameter', param: name }, value)
    }
  }
  assert.equal(parsed(listTenants.query, { limit: '1.5' }).param, 'limit')
  const { limit, offset } = parseBy(listTenants.query, { limit: '7' })
  assert.deepEqual({ limit, offset }, { limit: 7, offset: 0 })
  const vram = parseBy(listModels.query, { min_vram: '0', max_vram: '12.5' })
  assert.deepEqual([vram.min_vram, vram.max_vram], [0, 12.5])
})

test('a date of usage is of 1970 or later', () => {
  for (const date of ['0000-01-01', '1969-12-31', '1969-12-31T23:59:59Z']) {
    for (const name of ['start_date', 'end_date']) {
      const refused = parsed(getUsage.query, { [name]: date })
      assert.deepEqual(refused, { code: 'invalid_parameter', param: name }, date)
    }
  }
  parseBy(getUsage.query, { start_date: '1970-01-01', end_date: '9999-12-31' })
})

test('a setting of a route that is out of bounds is refused by its name', () => {
  const refused: [object, string][] = [
    [{ strategy: 'random' }, 'strategy'],
    [{ sticky_sessions: 1 }, 'sticky_sessions'],
    [{ resume_streams: null }, 'resume_streams'],
    [{ health_check: { unhealthy_threshold: 0 } }, 'health_check.unhealthy_threshold'],
    [{ health_check: { healthy_threshold: 0 } }, 'health_check.healthy_threshold'],
    [{ retry: { attempts: 0 } }, 'retry.attempts'],
    [{ retry: { attempts: 11 } }, 'retry.attempts'],
    [{ retry: { attempts: 1.5 } }, 'retry.attempts'],
    [{ retry: { budget_percent: -1 } }, 'retry.budget_percent'],
    [{ retry: { budget_percent: 101 } }, 'retry.budget_percent'],
    [{ retry: { hedge_after_ms: 0 } }, 'retry.hedge_after_ms'],
    [{ retry: null }, 'retry'],
    [{ queue: { max_depth: -1 } }, 'queue.max_depth'],
    [{ queue: { max_depth: 100_001 } }, 'queue.max_depth'],
    [{ queue: { max_wait_ms: 600_001 } }, 'queue.max_wait_ms'],
    [{ queue: { cold_start_max_wait_ms: 3_600_001 } }, 'queue.cold_start_max_wait_ms'],
    [{ node_weights: { n: -1 } }, 'node_weights.n'],
    [{ fallback_models: ['a', '-'] }, 'fallback_models[1]'],
    [{ fallback_models: 'abcdefghi'.split('') }, 'fallback_models'],
    [{ mirror: { model: 'x' } }, 'mirror.percent'],
    [{ mirror: { model: 'x', percent: 100.5 } }, 'mirror.percent'],
    [{ mirror: { model: 'x', percent: 0.125 } }, 'mirror.percent'],
    [{ split: [{ model: 'x', percent: 0 }] }, 'split[0].percent'],
    [
      {
        split: [
          { model: 'x', percent: 1 },
          { model: 'y', percent: 0.001 },
        ],
      },
      'split[1].percent',
    ],
    [
      {
        split: [
          { model: 'x', percent: 50.01 },
          { model: 'y', percent: 50 },
        ],
      },
      'split',
    ],
  ]
  for (const [body, param] of refused) {
    assert.deepEqual(parsed(putRoute.body, body), { code: 'invalid_parameter', param }, JSON.stringify(body))
  }
  assert.deepEqual(parsed(putRoute.body, { retry: { budget: 1 } }), {
    code: 'unknown_parameter',
    param: 'retry.budget',
  })
  for (const body of [
    { strategy: 'prefix-affinity', sticky_sessions: true, resume_streams: false },
    {
      retry: { attempts: 10, budget_percent: 0, hedge_after_ms: null },
      queue: { max_depth: 0, max_wait_ms: 0 },
    },
    { node_weights: { n: 0 }, mirror: { model: 'x', percent: 0 } },
    { fallback_models: [], mirror: null, split: [] },
  ]) {
    parseBy(putRoute.body, body)
  }
})

test('shares of a split add up to a hundred exactly, whatever they are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 8 }),
      (hundredths) => {
        const split = hundredths.map((share, index) => ({ model: `m-${index}`, percent: share / 100 }))
        const sum = hundredths.reduce((one, other) => one + other)
        if (sum <= 10_000) parseBy(putRoute.body, { split })
        else assert.deepEqual(parsed(putRoute.body, { split }), { code: 'invalid_parameter', param: 'split' })
      },
    ),
  )
})

test('a limit is a whole number from 1 on or null, a budget an amount above 0 or null', () => {
  for (const [field, good, bad] of [
    ['rate_limit_per_minute', [1, 1_000_000_000, null], [0, -1, 1.5, 1_000_000_001, '5']],
    ['tokens_per_minute', [1, 1_000_000_000_000, null], [0, -1, 1.5, 1_000_000_000_001, '5']],
    ['max_concurrency', [1, null], [0, -1, 1.5, 1_000_000_001, true]],
    ['max_monthly_spend_usd', [0.000001, 99.5, 1_000_000_000, null], [0, -1, 0.0000001, 1_000_000_001, '5']],
  ] as const) {
    for (const value of good) parseBy(createTenant.body, { ...tenant, [field]: value })
    for (const value of bad) {
      const refusal = { code: 'invalid_parameter', param: field }
      assert.deepEqual(parsed(createTenant.body, { ...tenant, [field]: value }), refusal, `${field} ${value}`)
    }
  }
})

test('a price that is exact in micro-dollars goes in and comes out as it was', () => {
  fc.assert(
    fc.property(fc.nat(1e12), (micros) => {
      assert.equal(microsOfDollars(dollarsOfMicros(micros)), micros)
      parseBy(createModel.body, { ...model, price_input_per_million: dollarsOfMicros(micros) })
    }),
  )
  for (const price of [0.0000001, 0.15 + 1e-9, -1, 1e7, '1', null]) {
    const body = { ...model, price_input_per_million: price }
    assert.deepEqual(parsed(createModel.body, body), {
      code: 'invalid_parameter',
      param: 'price_input_per_million',
    })
  }
})

test('a query parameter stands once', () => {
  assert.deepEqual(parseQuery('a=1&b=%20x'), { a: '1', b: ' x' })
  assert.deepEqual(
    refusal(() => parseQuery('a=1&a=2')),
    { code: 'invalid_parameter', param: 'a' },
  )
  for (const [query, param] of [
    ['search=a%zz', 'search'],
    ['search=%ff', 'search'],
    ['search=%ED%A0%80', 'search'],
    ['a=1&search=%', 'search'],
    ['%zz=1', null],
  ] as const) {
    assert.deepEqual(
      refusal(() => parseQuery(query)),
      { code: 'invalid_parameter', param },
      query,
    )
  }
  const proto = parseQuery('__proto__=1')
  assert.equal(parsed(patchTenant.body, proto).code, 'unknown_parameter')
})

test('a query that is well formed is read as a browser would', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('=', '&', '+', ' ', '%', '?', ''))
  fc.assert(
    fc.property(fc.dictionary(text, text), (values) => {
      const query = new URLSearchParams(values).toString()
      assert.deepEqual(Object.entries(parseQuery(query)), Object.entries(values))
    }),
  )
  assert.deepEqual(parseQuery('&a&b=1=2&'), { a: '', b: '1=2' })
})
