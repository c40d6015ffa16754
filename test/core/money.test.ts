import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decimalOfNanos, dollarsOfNanos } from '../../src/core/money.js'

test('nano-dollars as a decimal number are exact, nine digits behind the point', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (nanos) => {
      const text = decimalOfNanos(nanos)
      assert.match(text, /^-?(0|[1-9]\d*)\.\d{9}$/)
      assert.equal(BigInt(text.replace('.', '')), nanos)
    }),
  )
  assert.equal(decimalOfNanos(43_500n), '0.000043500')
  assert.equal(decimalOfNanos(-1n), '-0.000000001')
})

test('dollars as a JSON number give the nano-dollars back, up to eight million dollars', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 8_000_000_000_000_000n }), (nanos) => {
      const dollars = JSON.parse(JSON.stringify(dollarsOfNanos(nanos))) as number
      assert.equal(BigInt(dollars.toFixed(9).replace('.', '')), nanos)
    }),
    { numRuns: 5_000 },
  )
})
