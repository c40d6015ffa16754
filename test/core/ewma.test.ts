import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecayedAverage } from '../../src/core/ewma.js'

test('is the mean of all observations, each weighted by half for each half-life of its age', () => {
  const observation = fc.record({
    value: fc.double({ min: 0, max: 1e6, noNaN: true }),
    waitMs: fc.nat({ max: 60_000 }),
  })
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 50 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.nat({ max: 60_000 }),
      (observations, halfLifeMs, laterMs) => {
        const average = new DecayedAverage(halfLifeMs)
        let nowMs = 1e9
        const made: { value: number; atMs: number }[] = []
        for (const { value, waitMs } of observations) {
          nowMs += waitMs
          average.observe(value, nowMs)
          made.push({ value, atMs: nowMs })
        }
        const weight = (atMs: number, at: number) => 2 ** (-(at - atMs) / halfLifeMs)
        const total = made.reduce((sum, { atMs }) => sum + weight(atMs, nowMs), 0)
        const mean = made.reduce((sum, { value, atMs }) => sum + value * weight(atMs, nowMs), 0) / total
        const near = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b))
        assert.ok(near(average.value ?? NaN, mean))
        const later = nowMs + laterMs
        assert.ok(near(average.confidence(later), total * weight(nowMs, later)))
      },
    ),
  )
})

test('knows nothing before the first observation', () => {
  const average = new DecayedAverage(1000)
  assert.equal(average.value, null)
  assert.equal(average.confidence(5), 0)
})

test('forgets the past altogether after a very long silence, without losing its value', () => {
  const average = new DecayedAverage(1)
  average.observe(100, 0)
  assert.equal(average.confidence(1e9), 0)
  assert.equal(average.value, 100)
  average.observe(7, 1e9)
  assert.equal(average.value, 7)
})

test('a clock that steps back neither inflates nor breaks it', () => {
  const average = new DecayedAverage(1000)
  average.observe(10, 5000)
  assert.equal(average.confidence(4000), 1)
  average.observe(20, 4000)
  assert.equal(average.value, 15)
})
