import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDuration } from '../../../bench/load/duration.js'
import { drawLength, MOST_TOKENS, parseLengths } from '../../../bench/load/lengths.js'
import { isGood, parseSlo } from '../../../bench/load/slo.js'
import { seededRandom } from '../../../bench/nodes/random.js'

function drawn(text: string, count = 20_000): number[] {
  const lengths = parseLengths(text)
  assert.ok(lengths !== null)
  const random = seededRandom(5)
  return Array.from({ length: count }, () => drawLength(lengths, random)).sort((a, b) => a - b)
}

const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length

test('lengths are drawn as their distribution says', () => {
  assert.deepEqual(new Set(drawn('512')), new Set([512]))
  assert.deepEqual(new Set(drawn('uniform:3-6')), new Set([3, 4, 5, 6]))
  const normal = drawn('normal:500,100')
  assert.ok(Math.abs(mean(normal) - 500) < 5)
  assert.ok(Math.abs(Math.sqrt(mean(normal.map((one) => (one - 500) ** 2))) - 100) < 5)
  const lognormal = drawn('lognormal:200,1')
  assert.ok(Math.abs((lognormal[10_000] ?? 0) - 200) < 10)
  assert.ok(Math.abs(mean(lognormal) - 200 * Math.exp(0.5)) < 20)
})

test('every length is a whole number within bounds', () => {
  const texts = fc.oneof(
    fc
      .tuple(fc.integer({ min: 1, max: MOST_TOKENS }), fc.integer({ min: 0, max: 9_999_999 }))
      .map(([average, deviation]) => `normal:${average},${deviation}`),
    fc
      .tuple(fc.integer({ min: 1, max: MOST_TOKENS }), fc.float({ min: 0, max: 5, noNaN: true }))
      .map(([median, sigma]) => `lognormal:${median},${sigma.toFixed(3)}`),
  )
  fc.assert(
    fc.property(texts, (text) => {
      for (const length of drawn(text, 50))
        assert.ok(Number.isInteger(length) && length >= 1 && length <= MOST_TOKENS)
    }),
  )
})

test('what is no distribution, duration or threshold is not read as one', () => {
  for (const text of ['', '0', '-1', '1.5', 'uniform:5', 'uniform:0-5', 'uniform:9-2', 'normal:0,1', 'x:1'])
    assert.equal(parseLengths(text), null, text)
  for (const text of ['', '-1s', '1 s', 's', '1d', '1e3', '.5s'])
    assert.equal(parseDuration(text), null, text)
  for (const text of ['', 'ttft', 'ttft=', 'ttft=0s', 'x=1s', 'ttft=1s,', 'ttft=1=2'])
    assert.throws(() => parseSlo(text), text)
})

test('durations have units, seconds without one', () => {
  assert.deepEqual(
    ['250us', '500ms', '10s', '10', '1.5m', '1h'].map(parseDuration),
    [0.25, 500, 10_000, 10_000, 90_000, 3_600_000],
  )
})

test('a request is good when it keeps every threshold; what it does not have breaks none', () => {
  const slo = parseSlo('ttft=500ms,itl=50ms,e2e=10s')
  const kept = { ttftMicros: 500_000, meanGapMicros: 50_000, e2eMicros: 10_000_000 }
  assert.ok(isGood(slo, kept))
  assert.ok(!isGood(slo, { ...kept, ttftMicros: 500_001 }))
  assert.ok(!isGood(slo, { ...kept, meanGapMicros: 50_001 }))
  assert.ok(!isGood(slo, { ...kept, e2eMicros: 10_000_001 }))
  assert.ok(isGood(slo, { ttftMicros: null, meanGapMicros: null, e2eMicros: 5 }))
  assert.ok(isGood({}, kept))
})
