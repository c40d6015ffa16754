import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { quantile, spread } from '../../bench/statistics.js'

test('spread gives least, median and greatest', () => {
  assert.deepEqual(spread([3, 1, 2]), { min: 1, median: 2, max: 3 })
  assert.deepEqual(spread([4, 1, 2, 10]), { min: 1, median: 3, max: 10 })
  assert.deepEqual(spread([5]), { min: 5, median: 5, max: 5 })
  assert.throws(() => spread([]), RangeError)
})

test('quantile is the nearest rank', () => {
  const sorted = Array.from({ length: 100 }, (_, at) => at + 1)
  assert.equal(quantile(sorted, 0.5), 50)
  assert.equal(quantile(sorted, 0.99), 99)
  assert.equal(quantile(sorted, 1), 100)
  assert.equal(quantile(sorted, 0), 1)
  assert.throws(() => quantile([], 0.5), RangeError)
})

test('a quantile is one of the values, and as many lie at or below it as it says', () => {
  const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 })
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
      const sorted = list.toSorted((a, b) => a - b)
      const value = quantile(sorted, q)
      assert.ok(sorted.includes(value))
      assert.ok(sorted.filter((one) => one <= value).length >= q * sorted.length)
    }),
  )
})
