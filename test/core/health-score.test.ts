import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { healthScore } from '../../src/core/health-score.js'

const proxies = {
  inFlight: 1,
  ttftMs: null,
  itlMs: null,
  breaker: 'admitting',
  rejectedBy: 0,
  errorRate: null,
} as const

const load = fc.record({
  running: fc.option(fc.nat(10_000)),
  waiting: fc.option(fc.nat(10_000)),
  kvCacheUsage: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  proxies: fc.option(
    fc
      .record({
        breaker: fc.constantFrom('admitting', 'rejecting', 'probing'),
        errorRate: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      })
      .map((changes) => ({ ...proxies, ...changes })),
  ),
})

test('a score is a whole number of 1 to 100 for a node that is healthy, and 0 for any other', () => {
  fc.assert(
    fc.property(load, (live) => {
      const score = healthScore({ ...live, healthy: true })
      assert.ok(Number.isInteger(score) && score >= 1 && score <= 100, String(score))
      assert.equal(healthScore({ ...live, healthy: false }), 0)
    }),
  )
})

test('a longer queue and a fuller cache never raise a score', () => {
  fc.assert(
    fc.property(load, fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (live, more, fuller) => {
      const score = healthScore({ ...live, healthy: true })
      const queued = { ...live, healthy: true, waiting: (live.waiting ?? 0) + more }
      const full = { ...live, healthy: true, kvCacheUsage: Math.max(live.kvCacheUsage ?? 0, fuller) }
      assert.ok(healthScore(queued) <= score && healthScore(full) <= score)
    }),
  )
})

test('an idle node has 100, one with a full cache 50, one with as many queued as running half of what it had', () => {
  const idle = { healthy: true, running: 0, waiting: 0, kvCacheUsage: 0, proxies: null }
  assert.equal(healthScore(idle), 100)
  assert.equal(
    healthScore({ healthy: true, running: null, waiting: null, kvCacheUsage: null, proxies: null }),
    100,
  )
  assert.equal(healthScore({ ...idle, kvCacheUsage: 1 }), 50)
  assert.equal(healthScore({ ...idle, running: 8, waiting: 8 }), 50)
})

test('failed requests and breakers that do not admit take of the score, one that serves keeps 1', () => {
  const scored = (changes: object) =>
    healthScore({
      healthy: true,
      running: 0,
      waiting: 0,
      kvCacheUsage: 0,
      proxies: { ...proxies, ...changes },
    })
  assert.deepEqual([scored({}), scored({ errorRate: 0.25 }), scored({ errorRate: 1 })], [100, 75, 1])
  assert.deepEqual([scored({ breaker: 'probing' }), scored({ breaker: 'rejecting' })], [50, 10])
})
