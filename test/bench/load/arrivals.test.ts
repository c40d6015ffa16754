import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { arrivalTimes } from '../../../bench/load/arrivals.js'
import { createProfile, loadAt, slotsAt, stepAt } from '../../../bench/load/profile.js'
import { seededRandom } from '../../../bench/nodes/random.js'

const stage = fc
  .record({
    seconds: fc.integer({ min: 1, max: 20 }),
    from: fc.integer({ min: 0, max: 200 }),
    to: fc.integer({ min: 0, max: 200 }),
  })
  .filter(({ from, to }) => from + to > 0)

const stages = fc.array(stage, { minLength: 1, maxLength: 4 })
const warmUp = fc.integer({ min: 0, max: 5 })

test('a constant rate sends at even distances, the warm-up included', () => {
  const profile = createProfile([{ seconds: 1, from: 4, to: 4 }], 0.5)
  assert.deepEqual([...arrivalTimes(profile, 'constant', Math.random)], [-500, -250, 0, 250, 500, 750])
})

test('any profile is met: up to any moment as many were sent as its area says', () => {
  fc.assert(
    fc.property(stages, warmUp, (all, warmUpSeconds) => {
      const profile = createProfile(all, warmUpSeconds)
      const times = [...arrivalTimes(profile, 'constant', Math.random)]
      let area = 0
      for (const { fromMs, toMs, from, to } of profile.segments) {
        area += (((from + to) / 2) * (toMs - fromMs)) / 1000
        const sent = times.filter((time) => time < toMs - 1e-6).length
        // The first is sent at once; rounding may put one on either side of a boundary.
        assert.ok(Math.abs(sent - Math.ceil(area)) <= 1, `${sent} of ${area}`)
      }
      assert.ok(times.every((time, at) => at === 0 || time >= (times[at - 1] ?? 0)))
      assert.ok(times.every((time) => time >= profile.startMs && time <= profile.endMs))
    }),
  )
})

test('Poisson arrivals come as often as the rate says, each gap drawn anew, and again the same for a seed', () => {
  const profile = createProfile([{ seconds: 100, from: 50, to: 150 }], 0)
  const draw = (seed: number) => [...arrivalTimes(profile, 'poisson', seededRandom(seed))]
  const times = draw(7)
  assert.deepEqual(times, draw(7))
  assert.notDeepEqual(times, draw(8))
  // 10,000 are due; six standard deviations are 600.
  assert.ok(Math.abs(times.length - 10_000) < 600)
  const firstHalf = times.filter((time) => time < 50_000).length
  assert.ok(Math.abs(firstHalf - 3750) < 400)
  // Of exponential gaps as many are above their mean as e⁻¹ says; of even ones half, or none.
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0))
  const long = gaps.filter((gap, at) => gap > 1000 / loadAt(profile, times[at] ?? 0)).length / gaps.length
  assert.ok(Math.abs(long - Math.exp(-1)) < 0.03)
})

test('steps and parts of a ramp lie one behind the other, with the mean load of each', () => {
  fc.assert(
    fc.property(stages, warmUp, (all, warmUpSeconds) => {
      const { steps, endMs } = createProfile(all, warmUpSeconds)
      assert.equal(steps[0]?.fromMs, 0)
      assert.ok(Math.abs((steps.at(-1)?.toMs ?? 0) - endMs) < 1e-6)
      for (const [at, { fromMs, toMs, load }] of steps.entries()) {
        assert.ok(toMs > fromMs && load > 0)
        const before = steps[at - 1]
        if (before !== undefined) assert.ok(Math.abs(before.toMs - fromMs) < 1e-6)
      }
    }),
  )
})

test('warm-up belongs to no step, and a closed loop follows its ramp in whole requests', () => {
  const profile = createProfile([{ seconds: 10, from: 1, to: 11 }], 2)
  assert.deepEqual([stepAt(profile, -1), stepAt(profile, 0), stepAt(profile, 9999)], [-1, 0, 9])
  assert.equal(stepAt(profile, 10_000), -1)
  assert.deepEqual(
    [-1000, 0, 5000, 9999, 10_000].map((ms) => slotsAt(profile, ms)),
    [1, 1, 6, 11, 0],
  )
})
