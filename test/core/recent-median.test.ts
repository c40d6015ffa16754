import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentMedian } from '../../src/core/recent-median.js'

const value = fc.double({ min: 0, max: 100_000, noNaN: true })

test('is the median of the last sixteen that are fresh, and nothing with fewer than five', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(value, fc.integer({ min: 0, max: 400 })), { maxLength: 60 }), (steps) => {
      const recent = new RecentMedian(1_000)
      const seen: { at: number; value: number }[] = []
      let now = 5_000
      for (const [observed, after] of steps) {
        now += after
        recent.observe(observed, now)
        seen.push({ at: now, value: observed })
        const fresh = seen.slice(-16).filter(({ at }) => now - at < 1_000)
        const sorted = fresh.map((entry) => entry.value).sort((a, b) => a - b)
        const upper = sorted[sorted.length >> 1] ?? NaN
        const lower = sorted[(sorted.length - 1) >> 1] ?? NaN
        const expected = sorted.length < 5 ? null : (upper + lower) / 2
        assert.equal(recent.value(now), expected)
      }
      assert.equal(recent.value(now + 1_000), null)
    }),
  )
})

test('follows a sudden change after nine observations, whatever was before, and no single one', () => {
  const recent = new RecentMedian(10_000)
  for (let at = 0; at < 10_000; at++) recent.observe(50, at)
  for (let later = 0; later < 8; later++) {
    assert.equal(recent.value(10_000), 50, `after ${later}`)
    recent.observe(500, 10_000)
  }
  assert.equal(recent.value(10_000), 275)
  recent.observe(500, 10_000)
  assert.equal(recent.value(10_000), 500)
})
