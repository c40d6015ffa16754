import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  countAxis,
  durationAxis,
  logDurationAxis,
  ninesAxis,
  secondsAxis,
  type Axis,
} from '../../../bench/load/html-report/axis.js'

const micros = fc.double({ min: 0, max: 3.6e9, noNaN: true })

/** What holds for every axis: ticks within it, in order, a few of them, none labelled twice; values keep their order. */
function check(axis: Axis, values: readonly number[]): void {
  const places = axis.ticks.map(({ value }) => axis.position(value))
  assert.ok(places.length >= 2 && places.length <= 13, `${places.length} ticks`)
  for (const [at, place] of places.entries())
    assert.ok(place >= 0 && place <= 1 && place > (places[at - 1] ?? -1), `${places.join(' ')}`)
  assert.equal(new Set(axis.ticks.map(({ label }) => label)).size, places.length, 'two ticks with one label')
  const sorted = values.toSorted((a, b) => a - b).map((value) => axis.position(value))
  for (const [at, place] of sorted.entries()) assert.ok(place >= (sorted[at - 1] ?? 0) && place <= 1)
}

test('a duration axis has one unit, which its label names, and holds its greatest value', () => {
  fc.assert(
    fc.property(micros, fc.array(micros), (greatest, values) => {
      const axis = durationAxis('TTFT', greatest)
      check(axis, values)
      assert.match(axis.label, /^TTFT, (µs|ms|s)$/)
      assert.ok((axis.ticks.at(-1)?.value ?? 0) >= greatest * (1 - 1e-9))
    }),
  )
  const labels = (greatest: number): string[] =>
    durationAxis('TTFT', greatest).ticks.map(({ label }) => label)
  assert.deepEqual(labels(9_100), ['0', '2', '4', '6', '8', '10'])
  assert.deepEqual(labels(1_200_000), ['0', '0.5', '1', '1.5'])
})

test('a count axis starts at 0, also when all that it shows is 0', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (greatest) => {
      const axis = countAxis('requests', greatest)
      check(axis, [greatest])
      assert.equal(axis.position(0), 0)
    }),
  )
})

test('a logarithmic duration axis spans its values', () => {
  fc.assert(
    fc.property(micros, micros, (one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)]
      const axis = logDurationAxis('latency', low, high)
      check(axis, [low, high])
      if (low >= 1) assert.ok(axis.position(low) >= 0 && axis.position(high) <= 1)
    }),
  )
})

test('each further nine is as wide on the percentile axis as the one before', () => {
  const axis = ninesAxis('percentile', 4)
  for (const [q, place] of [
    [0, 0],
    [0.9, 0.25],
    [0.99, 0.5],
    [0.999, 0.75],
    [0.9999, 1],
  ] as const)
    assert.ok(Math.abs(axis.position(q) - place) < 1e-9)
  fc.assert(
    fc.property(fc.double({ min: 1, max: 9, noNaN: true }), (nines) => {
      check(ninesAxis('percentile', nines), [0, 0.3, 0.9])
    }),
  )
})

test('the seconds of a run have whole numbers under them, the end of the warm-up among them', () => {
  fc.assert(
    fc.property(fc.integer({ min: -600, max: 0 }), fc.integer({ min: 1, max: 86_400 }), (from, to) => {
      const axis = secondsAxis(from, to)
      assert.ok(axis.ticks.length <= 13)
      assert.ok(axis.ticks.every(({ value }) => Number.isInteger(value) && value >= from && value <= to))
      assert.ok(axis.ticks.some(({ value }) => value === 0))
    }),
  )
})
