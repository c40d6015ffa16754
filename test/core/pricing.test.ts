import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { costNanos, costNumber } from '../../src/core/pricing.js'

const tokens = fc.oneof(fc.nat({ max: 200_000 }), fc.nat({ max: 0xffff_ffff }), fc.maxSafeNat())
const price = fc.oneof(fc.nat({ max: 5_000 }), fc.nat({ max: 100_000_000 }), fc.maxSafeNat())

test('is the weighted sum ÷ 1,000, half up once, exact for any size', () => {
  fc.assert(
    fc.property(
      fc.record({ promptTokens: tokens, cachedTokens: tokens, completionTokens: tokens }),
      fc.record({ inputMicros: price, cachedInputMicros: fc.option(price), outputMicros: price }),
      (counts, prices) => {
        const prompt = BigInt(counts.promptTokens)
        const reported = BigInt(counts.cachedTokens)
        const cached = reported > prompt ? prompt : reported
        const sum =
          (prompt - cached) * BigInt(prices.inputMicros) +
          cached * BigInt(prices.cachedInputMicros ?? prices.inputMicros) +
          BigInt(counts.completionTokens) * BigInt(prices.outputMicros)
        const expected = sum / 1000n + (sum % 1000n >= 500n ? 1n : 0n)
        assert.equal(costNanos(counts, prices), expected)
        assert.equal(costNumber(counts, prices), Number(expected))
      },
    ),
    { numRuns: 5000 },
  )
})

test('rounds half up, once for the whole request', () => {
  const prices = { inputMicros: 1, cachedInputMicros: null, outputMicros: 1 }
  const cost = (promptTokens: number, completionTokens: number) =>
    costNanos({ promptTokens, cachedTokens: 0, completionTokens }, prices)
  assert.equal(cost(499, 0), 0n)
  assert.equal(cost(500, 0), 1n)
  assert.equal(cost(1499, 0), 1n)
  assert.equal(cost(1500, 0), 2n)
  assert.equal(cost(250, 250), 1n)
  assert.equal(cost(0, 0), 0n)
})

test('cached tokens cost the cached price, or the input price when there is none', () => {
  const counts = { promptTokens: 1_000, cachedTokens: 400, completionTokens: 10 }
  assert.equal(costNanos(counts, { inputMicros: 1_000, cachedInputMicros: 100, outputMicros: 2_000 }), 660n)
  assert.equal(
    costNanos(counts, { inputMicros: 1_000, cachedInputMicros: null, outputMicros: 2_000 }),
    1_020n,
  )
  assert.equal(costNanos(counts, { inputMicros: 1_000, cachedInputMicros: 0, outputMicros: 2_000 }), 620n)
})

test('is exact on both sides of where doubles stop being so', () => {
  for (const sum of [1e15 - 1, 1e15, 1e15 + 500, 2 ** 53 - 1]) {
    const counts = { promptTokens: sum, cachedTokens: 0, completionTokens: 0 }
    const cost = costNanos(counts, { inputMicros: 1, cachedInputMicros: null, outputMicros: 1 })
    assert.equal(cost, (BigInt(sum) + 500n) / 1000n)
  }
})
