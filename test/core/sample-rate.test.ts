import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SampleRate } from '../../src/core/sample-rate.js'
import { TokenBucket } from '../../src/core/token-bucket.js'

/** Times of askings: bursts of one instant, and pauses of up to some seconds. */
const times = fc
  .array(
    fc.oneof(fc.constant(0), fc.double({ min: 0, max: 30, noNaN: true }), fc.integer({ min: 0, max: 4000 })),
    { minLength: 1, maxLength: 800 },
  )
  .map((pauses) => {
    let at = 1000
    return pauses.map((pause) => (at += pause))
  })
const rate = fc.integer({ min: 1, max: 200 })

test('in no stretch of time more are kept than the rate and one burst of a second', () => {
  fc.assert(
    fc.property(times, rate, (askedAt, perSecond) => {
      const bucket = new TokenBucket(perSecond)
      const keptAt = askedAt.filter((at) => bucket.take(at))
      for (let first = 0; first < keptAt.length; first += 7) {
        const from = keptAt[first] ?? 0
        for (let last = first; last < keptAt.length; last++) {
          const seconds = ((keptAt[last] ?? 0) - from) / 1000
          const most = perSecond * (seconds + 1) + 1e-6
          assert.ok(last - first + 1 <= most, `${last - first + 1} kept in ${seconds} s at ${perSecond}/s`)
        }
      }
    }),
  )
})

test('what comes more slowly than the rate is kept, all of it', () => {
  fc.assert(
    fc.property(rate, fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 300 }), (perSecond, extra) => {
      const sample = new SampleRate(perSecond)
      let at = 0
      for (const more of extra) {
        at += 1000 / perSecond + more
        assert.ok(sample.take(at))
      }
      assert.equal(sample.share, 1)
    }),
  )
})

test('a rate of 0 keeps nothing, at once or later', () => {
  const sample = new SampleRate(0)
  assert.deepEqual(
    [0, 1, 5_000, 5_000_000].map((at) => sample.take(at)),
    [false, false, false, false],
  )
})

test('the share is that of the last second or two', () => {
  const sample = new SampleRate(50)
  assert.equal(sample.share, 1)
  for (let i = 0; i < 5000; i++) sample.take(i)
  assert.ok(Math.abs(sample.share - 0.05) < 0.01, String(sample.share))
  // The flood has passed.
  for (let i = 0; i < 100; i++) sample.take(10_000 + i * 100)
  assert.equal(sample.share, 1)
})
