import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeAdmitted } from './admitted-bound.js'

const ok = (perMinute: number, seconds: number, admitted: number, inFlight = 0) =>
  judgeAdmitted({ perMinute, seconds, admitted, inFlight }).ok

test('a full bucket and what flowed in are admitted, one percent more or less', () => {
  assert.equal(judgeAdmitted({ perMinute: 600, seconds: 120, admitted: 1800 }).expected, 1800)
  assert.deepEqual(
    [1781, 1782, 1818, 1819].map((admitted) => ok(600, 120, admitted)),
    [false, true, true, false],
  )
})

test('fewer than a hundred may be off by one', () => {
  // 1 + 2 in two minutes, and 10 + 20.
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((admitted) => ok(1, 120, admitted)),
    [false, true, true, true, false],
  )
  assert.deepEqual(
    [28, 29, 31, 32].map((admitted) => ok(10, 120, admitted)),
    [false, true, true, false],
  )
})

test('what was in flight is allowed for, both ways', () => {
  assert.deepEqual(
    [1681, 1682, 1918, 1919].map((admitted) => ok(600, 120, admitted, 100)),
    [false, true, true, false],
  )
})

test('an unlimited key and one that gets its rate twice are found out at every rate', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 1e6 }),
      fc.integer({ min: 30, max: 600 }),
      (perMinute, seconds) => {
        const { expected } = judgeAdmitted({ perMinute, seconds, admitted: 0 })
        assert.equal(ok(perMinute, seconds, 0), false)
        assert.equal(ok(perMinute, seconds, Math.round(expected)), true)
        assert.equal(ok(perMinute, seconds, Math.round(expected + (perMinute / 60) * seconds)), false)
      },
    ),
  )
})

test('the line says what was wrong', () => {
  const { text } = judgeAdmitted({ perMinute: 60, seconds: 120, admitted: 200 })
  assert.equal(text, '60/min: 200 admitted in 120.00 s, expected 180.0 ± 1.8 (+11.11%) WRONG')
})
