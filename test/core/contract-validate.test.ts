import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createModel } from '../../src/core/contract/models.js'
import { registerNode } from '../../src/core/contract/nodes.js'
import { putRoute } from '../../src/core/contract/routes.js'
import { createTenant, patchTenant } from '../../src/core/contract/tenants.js'
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

test('whatever bytes come, a body is an object or invalid_json', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(bytes, (body) => {
      try {
        assert.equal(typeof parseJsonBody(body), 'object')
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'invalid_json')
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
  const weights = { node_weights: { 'n-1': 0 } }
  assert.deepEqual(parsed(putRoute.body, weights), { code: 'invalid_parameter', param: 'node_weights.n-1' })
  assert.equal(parsed(patchTenant.body, {}).code, 'invalid_parameter')
  assert.equal(parsed(createTenant.body, { ...tenant, name: 'a\u0000b' }).param, 'name')
  assert.equal(parsed(createTenant.body, { ...tenant, name: '\ud800' }).param, 'name')
  assert.equal(
    parsed(registerNode.body, { ...node, endpoint_url: 'http://169.254.169.254' }).param,
    'endpoint_url',
  )
  assert.equal(parsed(registerNode.body, { ...node, api_key: 'a\r\nb: c' }).param, 'api_key')
  assert.equal(parsed(createModel.body, { ...model, aliases: ['a', 'a'] }).param, 'aliases')
})

test('a field of a capability that is not there yet is not_supported, its neutral value is accepted', () => {
  const refused: [z.ZodType, object, string][] = [
    [createTenant.body, { ...tenant, rate_limit_per_minute: 10 }, 'rate_limit_per_minute'],
    [createTenant.body, { ...tenant, tokens_per_minute: 10 }, 'tokens_per_minute'],
    [createTenant.body, { ...tenant, max_concurrency: 1 }, 'max_concurrency'],
    [createTenant.body, { ...tenant, max_monthly_spend_usd: 5 }, 'max_monthly_spend_usd'],
    [putRoute.body, { strategy: 'prefix-affinity' }, 'strategy'],
    [putRoute.body, { sticky_sessions: true }, 'sticky_sessions'],
    [putRoute.body, { resume_streams: true }, 'resume_streams'],
    [putRoute.body, { retry: { attempts: 2 } }, 'retry'],
    [putRoute.body, { queue: { max_depth: 2 } }, 'queue'],
    [putRoute.body, { fallback_models: [] }, 'fallback_models'],
    [putRoute.body, { mirror: { model: 'x', percent: 1 } }, 'mirror'],
    [putRoute.body, { split: [] }, 'split'],
  ]
  for (const [schema, body, param] of refused) {
    assert.deepEqual(parsed(schema, body), { code: 'not_supported', param })
  }
  parseBy(createTenant.body, { ...tenant, rate_limit_per_minute: null, max_monthly_spend_usd: null })
  parseBy(putRoute.body, { sticky_sessions: false, resume_streams: false })
  const zero = { ...tenant, rate_limit_per_minute: 0 }
  assert.deepEqual(parsed(createTenant.body, zero), {
    code: 'invalid_parameter',
    param: 'rate_limit_per_minute',
  })
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
  const proto = parseQuery('__proto__=1')
  assert.equal(parsed(patchTenant.body, proto).code, 'unknown_parameter')
})
