import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limitsMoved, limitsOver, TIER_LIMITS, TIERS } from '../../src/core/tiers.js'

const limit = fc.option(fc.integer({ min: 1, max: 10_000_000 }))
const limits = fc.record({
  rate_limit_per_minute: limit,
  tokens_per_minute: limit,
  max_concurrency: limit,
})
const tier = fc.constantFrom(...TIERS)

test('a change of the tier moves all limits that were its defaults', () => {
  for (const from of TIERS) {
    for (const to of TIERS) assert.deepEqual(limitsMoved(TIER_LIMITS[from], from, to), TIER_LIMITS[to])
  }
})

test('a limit that is not the old default stays through a change of the tier', () => {
  fc.assert(
    fc.property(limits, tier, tier, (before, from, to) => {
      const after = limitsMoved(before, from, to)
      for (const name of ['rate_limit_per_minute', 'tokens_per_minute', 'max_concurrency'] as const) {
        const isDefault = before[name] === TIER_LIMITS[from][name]
        assert.equal(after[name], isDefault ? TIER_LIMITS[to][name] : before[name])
      }
    }),
  )
})

test('limits that are sent replace those that were there, null as well', () => {
  fc.assert(
    fc.property(limits, fc.option(limit, { nil: undefined }), (before, sent) => {
      const after = limitsOver(before, { tokens_per_minute: sent })
      assert.equal(after.tokens_per_minute, sent === undefined ? before.tokens_per_minute : sent)
      assert.equal(after.max_concurrency, before.max_concurrency)
    }),
  )
})
