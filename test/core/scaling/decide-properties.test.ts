import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideScaling, DOWN_AFTER_MS } from '../../../src/core/scaling/decide.js'
import type { ScalingPolicy } from '../../../src/core/scaling/need.js'
import { readScalingState } from '../../../src/core/scaling/state.js'
import { World, type Load } from './scaling-world.js'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

const policies = fc
  .record({
    minNodes: fc.nat({ max: 5 }),
    more: fc.nat({ max: 15 }),
    targetConcurrency: fc.option(fc.integer({ min: 1, max: 30 })),
    targetTtftMs: fc.option(fc.constant(500)),
    waitingRoom: fc.boolean(),
  })
  .map(({ more, ...policy }): ScalingPolicy => ({ ...policy, maxNodes: Math.max(1, policy.minNodes + more) }))

const loads = fc.record({
  requests: fc.nat({ max: 250 }),
  kvCaches: fc.option(fc.double({ min: 0, max: 12, noNaN: true })),
  p95TtftMs: fc.option(fc.integer({ min: 1, max: 2_000 })),
})

/** Loads that last for a while each, now and then with gauges that are not known. */
const traces = fc.array(
  fc.record({ load: loads, minutes: fc.integer({ min: 1, max: 25 }), stale: fc.nat({ max: 9 }) }),
  { minLength: 1, maxLength: 12 },
)

const launchTimes = fc.integer({ min: 0, max: 10 * MINUTE_MS })

function worldOf(policy: ScalingPolicy, launchMs: number): World {
  return new World(policy, Math.max(1, policy.minNodes), launchMs)
}

function live(world: World, trace: { load: Load; minutes: number; stale: number }[]): World {
  for (const { load, minutes, stale } of trace)
    world.pass(minutes * MINUTE_MS, { ...load, stale: stale === 0 })
  return world
}

test('whatever happens, never outside of the bounds, never a change before the last one is through, never down within ten minutes of up', () => {
  fc.assert(
    fc.property(policies, launchTimes, traces, (policy, launchMs, trace) => {
      const { changes } = live(worldOf(policy, launchMs), trace)
      const low = policy.waitingRoom ? policy.minNodes : Math.max(1, policy.minNodes)
      changes.forEach((change, index) => {
        assert.ok(change.nodes >= low && change.nodes <= policy.maxNodes)
        assert.ok(change.alone, `a second change: ${change.reason}`)
        assert.ok(change.reason !== '')
        const before = changes[index - 1]
        if (change.kind === 'down' && before !== undefined)
          assert.ok(change.atMs - before.atMs >= DOWN_AFTER_MS)
      })
    }),
  )
})

test('a constant load leads in one direction, and then nowhere', () => {
  fc.assert(
    fc.property(policies, launchTimes, traces, loads, (policy, launchMs, trace, load) => {
      // That a number of nodes was too slow is forgotten after two hours, which is a change of its own.
      const world = live(worldOf(policy, launchMs), policy.targetTtftMs === null ? trace : [])
      // What was decided under another load comes to its end first.
      world.pass(31 * MINUTE_MS, load)
      const from = world.changes.length
      world.pass(6 * HOUR_MS, load)
      const kinds = new Set(world.changes.slice(from).map(({ kind }) => kind))
      assert.ok(kinds.size <= 1, [...kinds].join())
    }),
    { numRuns: 50 },
  )
})

test('more load never leads to fewer nodes', () => {
  fc.assert(
    fc.property(policies, launchTimes, traces, loads, loads, (policy, launchMs, trace, one, other) => {
      const world = live(worldOf(policy, launchMs), trace)
      const greatest = (a: number | null, b: number | null) =>
        a === null || b === null ? (a ?? b) : Math.max(a, b)
      // A gauge that is told by none is told by neither, and TTFT is told when there are requests.
      const less = { requests: one.requests, kvCaches: one.kvCaches ?? 0, p95TtftMs: one.p95TtftMs ?? 1 }
      const more = {
        requests: Math.max(one.requests, other.requests),
        kvCaches: greatest(less.kvCaches, other.kvCaches),
        p95TtftMs: greatest(less.p95TtftMs, other.p95TtftMs),
      }
      const nodes = (load: Load) => decideScaling(policy, world.view(load), world.state).decision.nodes
      assert.ok(nodes(more) >= nodes(less))
    }),
  )
})

test('frozen by gauges that are not known, for as long as they are not', () => {
  fc.assert(
    fc.property(policies, launchTimes, traces, loads, (policy, launchMs, trace, load) => {
      const world = live(worldOf(policy, launchMs), trace)
      const before = world.changes.length
      world.pass(2 * HOUR_MS, { ...load, stale: true })
      // Only who has no node and knows that somebody waits would act, and that is not known either.
      assert.equal(world.changes.length, before)
    }),
  )
})

test('the same look in the state that it left decides the same, also when the state was stored meanwhile', () => {
  fc.assert(
    fc.property(policies, launchTimes, traces, loads, (policy, launchMs, trace, load) => {
      const world = live(worldOf(policy, launchMs), trace)
      const view = world.view(load)
      const first = decideScaling(policy, view, world.state)
      assert.deepEqual(decideScaling(policy, view, world.state), first)
      const stored: unknown = JSON.parse(JSON.stringify(first.state))
      const again = decideScaling(policy, view, readScalingState(stored))
      assert.deepEqual(again, first)
    }),
  )
})
