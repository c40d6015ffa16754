import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { restartPauseMs, startProgress } from '../../../src/workers/launchers/local-state.js'

test('pauses between starts double up to the longest, less up to a fifth', () => {
  const rule = { first_pause_seconds: 1, longest_pause_seconds: 60 }
  assert.deepEqual(
    [1, 2, 3, 6, 7, 1_000].map((failures) => restartPauseMs(failures, rule, 0)),
    [1_000, 2_000, 4_000, 32_000, 60_000, 60_000],
  )
  assert.equal(restartPauseMs(1, rule, 0.5), 900)
})

test('progress grows with time and never says that it is done', () => {
  const time = fc.double({ min: -1e6, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(time, time, fc.double({ min: 1, max: 1e8, noNaN: true }), (one, other, timeout) => {
      const [early, late] = [Math.min(one, other), Math.max(one, other)].map((elapsed) =>
        startProgress('model_loading', elapsed, timeout),
      )
      assert.ok(early !== undefined && late !== undefined)
      assert.ok(early >= 10 && early <= late && late <= 80)
      assert.ok(late < startProgress('health_check', 0, timeout))
    }),
  )
})
