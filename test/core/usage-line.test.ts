import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ERRORS, type ErrorCode } from '../../src/core/errors.js'
import { lostRequestLine } from '../../src/core/lost-request.js'
import { costNanos } from '../../src/core/pricing.js'
import { identityLine, parseIdentityLine, recordLine } from '../../src/core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'

const tokens = fc.nat({ max: 2_000_000 })
const price = fc.nat({ max: 100_000_000 })
const name = fc.string({ unit: 'binary' })
const micros = fc.nat({ max: 2 ** 50 })
const codes = Object.keys(ERRORS) as ErrorCode[]

const identities: fc.Arbitrary<UsageIdentity> = fc.record(
  {
    requestId: fc.uuid(),
    tenantId: fc.uuid(),
    environmentId: fc.uuid(),
    apiKeyId: fc.uuid(),
    modelId: fc.uuid(),
    model: name,
    nodeId: fc.uuid(),
    node: name,
    endpoint: fc.constantFrom('chat.completions', 'completions', 'embeddings'),
    stream: fc.boolean(),
    startedAtMicros: micros,
    prices: fc.record(
      { inputMicros: price, cachedInputMicros: fc.option(price), outputMicros: price },
      { noNullPrototype: true },
    ),
    promptEstimate: tokens,
  },
  { noNullPrototype: true },
)

const outcomes: fc.Arbitrary<UsageOutcome> = fc.record({
  nodeId: fc.uuid(),
  node: name,
  status: fc.integer({ min: 200, max: 599 }),
  errorCode: fc.constantFrom('', 'gateway_lost', ...codes),
  clientAbort: fc.boolean(),
  counted: fc.constantFrom('reported', 'estimated'),
  promptTokens: tokens,
  cachedTokens: tokens,
  completionTokens: tokens,
  endedAtMicros: micros,
  ttftMicros: fc.option(micros),
  itlMicros: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })),
  e2eMicros: micros,
  overheadMicros: fc.integer({ min: -5, max: 1000 }),
  attempts: fc.integer({ min: 1, max: 9 }),
  resumed: fc.integer({ min: 0, max: 8 }),
})

const time = (at: number) => (at / 1e6).toFixed(6)

test('the row is the JSON of identity, outcome and their cost', () => {
  fc.assert(
    fc.property(identities, outcomes, (identity, outcome) => {
      const line = recordLine(identity, outcome).toString()
      assert.ok(!line.includes('\n'))
      assert.deepEqual(JSON.parse(line), {
        request_id: identity.requestId,
        tenant_id: identity.tenantId,
        environment_id: identity.environmentId,
        api_key_id: identity.apiKeyId,
        model_id: identity.modelId,
        model: identity.model,
        node_id: outcome.nodeId,
        node: outcome.node,
        endpoint: identity.endpoint,
        stream: identity.stream,
        status: outcome.status,
        error_code: outcome.errorCode,
        client_abort: outcome.clientAbort,
        attempts: outcome.attempts,
        resumed: outcome.resumed,
        prompt_tokens: outcome.promptTokens,
        cached_tokens: outcome.cachedTokens,
        completion_tokens: outcome.completionTokens,
        counted: outcome.counted,
        price_input_micros: identity.prices.inputMicros,
        price_cached_input_micros: identity.prices.cachedInputMicros,
        price_output_micros: identity.prices.outputMicros,
        cost_nanos: Number(costNanos(outcome, identity.prices)),
        ttft_micros: outcome.ttftMicros,
        itl_micros: outcome.itlMicros === null ? null : Math.round(outcome.itlMicros),
        e2e_micros: outcome.e2eMicros,
        overhead_micros: Math.max(0, outcome.overheadMicros),
        started_at: time(identity.startedAtMicros),
        ended_at: time(outcome.endedAtMicros),
      })
    }),
  )
})

test('the identity is read back from its line', () => {
  fc.assert(
    fc.property(identities, (identity) => {
      const line = identityLine(identity).toString()
      assert.ok(!line.includes('\n'))
      assert.deepEqual(parseIdentityLine(line), identity)
    }),
  )
})

test('a lost request is billed by its last progress, else by its prompt estimate', () => {
  fc.assert(
    fc.property(identities, tokens, tokens, fc.nat({ max: 1e9 }), (identity, prompt, completion, later) => {
      const atMicros = identity.startedAtMicros + later
      const progress = {
        promptTokens: prompt,
        cachedTokens: 0,
        completionTokens: completion,
        firstTokenAtMicros: 0,
        atMicros,
      }
      const known = JSON.parse(lostRequestLine(identity, progress).toString()) as Record<string, unknown>
      const promptTokens = prompt === 0 ? identity.promptEstimate : prompt
      assert.equal(known.prompt_tokens, promptTokens)
      assert.equal(known.completion_tokens, completion)
      assert.equal(known.ended_at, time(atMicros))
      assert.equal(known.e2e_micros, later)
      const counts = { promptTokens, cachedTokens: 0, completionTokens: completion }
      assert.equal(known.cost_nanos, Number(costNanos(counts, identity.prices)))
      assert.equal(known.error_code, 'gateway_lost')
      assert.equal(known.status, 502)
      assert.equal(known.counted, 'estimated')

      const unknown = JSON.parse(lostRequestLine(identity, undefined).toString()) as Record<string, unknown>
      assert.equal(unknown.prompt_tokens, identity.promptEstimate)
      assert.equal(unknown.completion_tokens, 0)
      assert.equal(unknown.ended_at, unknown.started_at)
    }),
  )
})

test('a line says what its own request says when another had the same ids', () => {
  fc.assert(
    fc.property(identities, identities, outcomes, (one, other, outcome) => {
      const { apiKeyId, modelId, nodeId } = one
      const alike = { ...other, apiKeyId, modelId, nodeId }
      for (const identity of [one, alike, one]) {
        assert.deepEqual(parseIdentityLine(identityLine(identity).toString()), identity)
        const served = { ...outcome, nodeId, node: identity.node }
        const row = JSON.parse(recordLine(identity, served).toString()) as Record<string, unknown>
        assert.equal(row['tenant_id'], identity.tenantId)
        assert.equal(row['model'], identity.model)
        assert.equal(row['node'], identity.node)
        assert.equal(row['price_output_micros'], identity.prices.outputMicros)
      }
    }),
  )
})
