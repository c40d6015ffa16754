import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  excessScatter,
  quantileInterval,
  shareInterval,
  varianceOfMean,
} from '../../../bench/load/diff/noise.js'
import { quantilesOf, type Quantiles } from '../../../bench/load/histogram.js'
import { seededRandom } from '../../../bench/nodes/random.js'
import { distribution } from './report-fixture.js'

/** Every value from 1 to 10,000 once. */
const EVEN: Quantiles = { count: 10_000, at: (q) => Math.max(1, Math.ceil(q * 10_000)) }

test('a share lies in its interval, which shrinks with the samples', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 1, max: 1e6, noNaN: true }),
      (share, samples) => {
        const few = shareInterval(share, samples)
        const many = shareInterval(share, samples * 4)
        assert.ok(few.low >= 0 && few.low <= share + 1e-9 && few.high >= share - 1e-9 && few.high <= 1)
        assert.ok(many.high - many.low <= few.high - few.low + 1e-12)
      },
    ),
  )
})

test('a quantile lies in its interval, which has no end where the sample is too small to have one', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 0.999, noNaN: true }),
      fc.integer({ min: 1, max: 10_000 }),
      (q, samples) => {
        const { low, high } = quantileInterval(EVEN, q, samples)
        assert.ok(low === null || low <= EVEN.at(q))
        assert.ok(high === null || high >= EVEN.at(q))
      },
    ),
  )
  assert.equal(quantileInterval(EVEN, 0.99, 100).high, null)
  assert.notEqual(quantileInterval(EVEN, 0.99, 1_000).high, null)
})

test('a p90 of independent values is in the interval of about 95 of 100 samples', () => {
  const random = seededRandom(7)
  let hits = 0
  for (let run = 0; run < 400; run++) {
    const sample = quantilesOf(
      distribution(Array.from({ length: 300 }, () => 1 + Math.floor(random() * 10_000))),
    )
    assert.ok(sample)
    const { low, high } = quantileInterval(sample, 0.9, 300)
    if (low !== null && high !== null && low <= 9_000 && 9_000 <= high) hits++
  }
  assert.ok(hits >= 368 && hits <= 396, `${hits} of 400`)
})

test('the variance of a mean grows when neighbours are alike, and knows a step of the load from noise', () => {
  const random = seededRandom(3)
  const values = Array.from({ length: 15 }, () => random())
  const alike = values.flatMap((value) => [value, value, value, value])
  const alone = alike.map((_, at) => alike[(at * 7) % 60] ?? 0)
  const least = varianceOfMean([alone]) ?? 0
  assert.ok((varianceOfMean([alike]) ?? 0) > 2 * least)
  const stepped = [alone.slice(0, 30), alone.slice(30).map((value) => value + 100)]
  assert.ok((varianceOfMean(stepped) ?? 0) < 2 * least)
  assert.ok((varianceOfMean([stepped.flat()]) ?? 0) > 1_000 * least)
})

test('too few seconds give no variance rather than a small one', () => {
  assert.equal(varianceOfMean([[1, 2, 3, 4, 5, 6, 7, 8, 9]]), null)
  assert.equal(varianceOfMean(Array.from({ length: 30 }, (_, at) => [at])), null)
})

test('seconds of independent values scatter about as expected, seconds with a pace of their own far more', () => {
  const random = seededRandom(11)
  const second = (pace: number): number[] =>
    Array.from({ length: 50 }, () => Math.round(pace * (1_000 + 9_000 * random())))
  const excess = (paces: readonly number[]): number => {
    const seconds = paces.map(second)
    const all = quantilesOf(distribution(seconds.flat()))
    assert.ok(all)
    const medians = seconds.map((values) => ({
      value: quantilesOf(distribution(values))?.at(0.5) ?? 0,
      count: 50,
    }))
    return excessScatter(all, 0.5, [medians]) ?? 0
  }
  const even = excess(Array.from({ length: 60 }, () => 1))
  const uneven = excess(Array.from({ length: 60 }, () => 0.5 + 1.5 * random()))
  assert.ok(even >= 1 && even < 2.5, `${even}`)
  assert.ok(uneven > 4, `${uneven}`)
})
