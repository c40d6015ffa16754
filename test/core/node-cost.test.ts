import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type NodeSpend, NOTHING_SPENT, shownCost, sumOfSpends, sumsByKey } from '../../src/core/node-cost.js'

const NODE: NodeSpend = {
  seconds: 7200,
  unpricedSeconds: 0,
  nanos: 5_000_000_000n,
  tokens: 2_000_000,
  busySeconds: 1800,
}

test('a node’s cost: hours, dollars, dollars for a million tokens, idle share', () => {
  assert.deepEqual(shownCost(NODE), {
    hours: 2,
    unpriced_hours: 0,
    usd: 5,
    tokens: 2_000_000,
    usd_per_million_tokens: 2.5,
    idle_share: 0.75,
  })
})

test('what is not known is null, and never a price of what has none', () => {
  const part = (change: Partial<NodeSpend>) => {
    const { usd_per_million_tokens, idle_share } = shownCost({ ...NODE, ...change })
    return [usd_per_million_tokens, idle_share]
  }
  assert.deepEqual(part({ tokens: null, busySeconds: null }), [null, null])
  assert.deepEqual(part({ tokens: 0 }), [null, 0.75])
  assert.deepEqual(part({ unpricedSeconds: 1 }), [null, 0.75])
  assert.deepEqual(part({ busySeconds: 7202 }), [2.5, 0])
  assert.deepEqual(shownCost(NOTHING_SPENT), {
    hours: 0,
    unpriced_hours: 0,
    usd: 0,
    tokens: 0,
    usd_per_million_tokens: null,
    idle_share: null,
  })
  assert.equal(sumOfSpends([NODE, { ...NODE, tokens: null }]).tokens, null)
})

test('sums by a key come to the sum of all', () => {
  const spend = fc.record({
    seconds: fc.nat(),
    unpricedSeconds: fc.nat(),
    nanos: fc.bigInt({ min: 0n, max: 10n ** 20n }),
    tokens: fc.option(fc.nat(), { freq: 10 }),
    busySeconds: fc.option(fc.nat(), { freq: 10 }),
  })
  fc.assert(
    fc.property(fc.array(spend), (spends) => {
      const groups = sumsByKey(spends, ({ seconds }) => seconds % 3)
      assert.deepEqual(sumOfSpends([...groups.values()]), sumOfSpends(spends))
    }),
  )
})
