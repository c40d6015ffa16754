import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideScaling, LONGEST_CHANGE_MS } from '../../../src/core/scaling/decide.js'
import type { ScalingView } from '../../../src/core/scaling/need.js'
import { NEW_SCALING_STATE, readScalingState, type ScalingState } from '../../../src/core/scaling/state.js'
import { POLICY, START_MS, viewOf, World } from './scaling-world.js'

const MINUTE_MS = 60_000

test('more nodes come when they have been needed for thirty seconds, all at once', () => {
  const world = new World(POLICY, 1).pass(MINUTE_MS, { requests: 8 })
  world.pass(30_000, { requests: 45 })
  assert.deepEqual(world.changes, [])
  const decision = world.look({ requests: 45 })
  assert.deepEqual(
    [decision.kind, decision.nodes, decision.reason],
    ['up', 5, '5 nodes needed for 30 s, now 45 requests at 10 for each node'],
  )
})

test('a spike of less than thirty seconds launches nothing, and a load that rises gets what it needed all the time', () => {
  const spike = new World(POLICY, 1).pass(MINUTE_MS, { requests: 8 })
  spike.pass(30_000, { requests: 90 }).pass(MINUTE_MS, { requests: 8 })
  assert.deepEqual(spike.changes, [])
  const rising = new World(POLICY, 1).pass(70_000, (ms) => ({ requests: ms < 30_000 ? 25 : 60 }))
  assert.deepEqual(
    rising.changes.map(({ nodes }) => nodes),
    [3, 6],
  )
})

test('nodes go when they have not been needed for ten minutes since the last change, at most half at a time', () => {
  const world = new World(POLICY, 8).pass(40 * MINUTE_MS, { requests: 5 })
  assert.deepEqual(
    world.changes.map(({ kind, from, nodes, atMs }) => [kind, from, nodes, Math.floor(atMs / MINUTE_MS)]),
    [
      ['down', 8, 4, 10],
      ['down', 4, 2, 20],
      ['down', 2, 1, 30],
    ],
  )
})

test('one short need in ten minutes keeps the nodes', () => {
  const world = new World(POLICY, 4)
  world.pass(60 * MINUTE_MS, (ms) => ({ requests: ms % (9 * MINUTE_MS) === 0 ? 35 : 5 }))
  assert.deepEqual(world.changes, [])
})

test('full KV caches need more nodes, whatever the number of requests', () => {
  const world = new World(POLICY, 2).pass(MINUTE_MS, { requests: 3, kvCaches: 1.9 })
  assert.deepEqual(
    world.changes.map(({ nodes, reason }) => [nodes, reason]),
    [[3, '3 nodes needed for 30 s, now KV caches of 1.90 nodes in use']],
  )
})

test('TTFT above its target for thirty seconds brings one node more, and the next one only when that has been felt', () => {
  const world = new World({ ...POLICY, targetTtftMs: 500 }, 2, 2 * MINUTE_MS)
  world.pass(10 * MINUTE_MS, { requests: 12, p95TtftMs: 900 })
  assert.deepEqual(
    world.changes.map(({ from, nodes, atMs }) => [from, nodes, atMs]),
    [
      [2, 3, 30_000],
      // Its node comes after two minutes; TTFT is that of the new number after one more, and has to last half of one.
      [3, 4, 30_000 + 120_000 + 90_000],
      [4, 5, 30_000 + 2 * 210_000],
    ],
  )
  assert.match(world.changes[0]?.reason ?? '', /p95 of TTFT is 900 ms of 500 ms/)
})

test('what was too few for a load is not tried again while the load is there', () => {
  const world = new World({ ...POLICY, targetTtftMs: 500 }, 2)
  const load = () => ({ requests: 12, p95TtftMs: world.serving < 3 ? 900 : 100 })
  world.pass(60 * MINUTE_MS, load)
  assert.deepEqual(
    world.changes.map(({ from, nodes }) => [from, nodes]),
    [[2, 3]],
  )
  world.pass(30 * MINUTE_MS, () => ({ requests: 5, p95TtftMs: 100 }))
  assert.equal(world.wanted, 1)
})

test('TTFT asks for no more while nodes are still coming, as a change or in the place of lost ones', () => {
  const policy = { ...POLICY, targetTtftMs: 500 }
  const slow = viewOf(START_MS, 3, 2, { requests: 12, p95TtftMs: 900 })
  const needed = (view: ScalingView, state: ScalingState) =>
    decideScaling(policy, view, state).state.most.map(([, nodes]) => nodes)
  assert.deepEqual(needed(slow, NEW_SCALING_STATE), [2])
  // The rows of the nodes that come are not there yet.
  const change = { from: 2, to: 3, sinceMs: START_MS - 5_000, reason: 'needed' }
  assert.deepEqual(needed({ ...slow, launching: 0 }, { ...NEW_SCALING_STATE, change }), [2])
  assert.deepEqual(needed({ ...slow, launching: 0 }, NEW_SCALING_STATE), [4])
})

test('TTFT alone leads down as well, one at a time', () => {
  const world = new World({ ...POLICY, targetConcurrency: null, targetTtftMs: 500 }, 6)
  world.pass(35 * MINUTE_MS, () => ({ requests: 40, p95TtftMs: world.serving > 4 ? 100 : 400 }))
  assert.deepEqual(
    world.changes.map(({ from, nodes }) => [from, nodes]),
    [
      [6, 5],
      [5, 4],
    ],
  )
})

test('gauges that are not known freeze the decision, and what was seen before does not count afterwards', () => {
  const world = new World(POLICY, 2).pass(25_000, { requests: 90 })
  const frozen = world.look({ requests: 90, stale: true })
  assert.deepEqual(
    [frozen.kind, frozen.nodes, frozen.reason],
    ['hold', 2, 'frozen: nothing new is known of 2 of 2 nodes'],
  )
  world.pass(30_000, { requests: 90 })
  assert.equal(world.changes.length, 0)
  world.look({ requests: 90 })
  assert.equal(world.wanted, 9)
  const { decision } = decideScaling(
    POLICY,
    { ...viewOf(START_MS, 2, 2, { requests: 0 }), waiting: null },
    NEW_SCALING_STATE,
  )
  assert.equal(decision.reason, 'frozen: it is not known how many requests wait')
})

test('a gap between two looks is no time in which anything was seen', () => {
  const world = new World(POLICY, 2).pass(10_000, { requests: 90 })
  const later = viewOf(START_MS + 60_000, 2, 2, { requests: 90 })
  assert.equal(decideScaling(POLICY, later, world.state).decision.kind, 'hold')
})

test('a new leader goes on with what was stored, and anew with what it cannot read', () => {
  const world = new World(POLICY, 1).pass(30_000, { requests: 45 })
  const stored: unknown = JSON.parse(JSON.stringify(world.state))
  const view = world.view({ requests: 45 })
  assert.equal(decideScaling(POLICY, view, readScalingState(stored)).decision.nodes, 5)
  for (const unreadable of [null, 'x', { ...world.state, seenSinceMs: 'yesterday' }, { version: 2 }])
    assert.equal(decideScaling(POLICY, view, readScalingState(unreadable)).decision.kind, 'hold')
})

test('nodes that are launching count: nothing more is decided until they serve, or until they are overdue', () => {
  const world = new World(POLICY, 1, 5 * MINUTE_MS).pass(MINUTE_MS, { requests: 25 })
  world.pass(4 * MINUTE_MS, { requests: 95 })
  assert.deepEqual([world.changes.length, world.wanted], [1, 3])
  assert.match(world.look({ requests: 95 }).reason, /the change from 1 to 3 nodes is under way for \d+ s/)
  world.pass(MINUTE_MS, { requests: 95 })
  assert.equal(world.wanted, 10)

  const never = new World(POLICY, 1, Infinity).pass(31_000, { requests: 25 })
  never.pass(LONGEST_CHANGE_MS - 10_000, { requests: 95 })
  assert.equal(never.changes.length, 1)
  never.pass(10_000, { requests: 95 })
  assert.equal(never.wanted, 10)
})

test('bounds are kept at once, also by a deployment that was outside, and also with frozen gauges', () => {
  for (const stale of [false, true]) {
    const few = new World({ ...POLICY, minNodes: 3 }, 1).look({ requests: 0, stale })
    assert.deepEqual([few.kind, few.nodes, few.reason], ['up', 3, 'min_nodes is 3'])
    const many = new World({ ...POLICY, maxNodes: 4 }, 9).look({ requests: 500, stale })
    assert.deepEqual([many.kind, many.nodes, many.reason], ['down', 4, 'max_nodes is 4'])
  }
  const full = new World(POLICY, 10).pass(MINUTE_MS, { requests: 300 })
  assert.equal(
    full.look({ requests: 300 }).reason,
    '30 nodes needed, max_nodes is 10: 300 requests at 10 for each node',
  )
})

test('a number that somebody set is left for the whole time that leads up or down', () => {
  const world = new World(POLICY, 2).pass(30 * MINUTE_MS, { requests: 15 })
  world.wanted = 6
  world.serving = 6
  world.pass(9 * MINUTE_MS, { requests: 15 })
  assert.deepEqual(world.changes, [])
  world.pass(2 * MINUTE_MS, { requests: 15 })
  assert.equal(world.wanted, 3)
})

test('nodes are not given up while some of those that are wanted are missing', () => {
  const world = new World(POLICY, 4)
  world.serving = 2
  world.pass(20 * MINUTE_MS, { requests: 5 })
  assert.deepEqual(world.changes, [])
  assert.match(world.look({ requests: 5 }).reason, /not all that are wanted serve/)
})

test('the last node goes after fifteen idle minutes where requests can wait, and the first request brings one back', () => {
  const policy = { ...POLICY, minNodes: 0, waitingRoom: true }
  const world = new World(policy, 1, 2 * MINUTE_MS).pass(10 * MINUTE_MS, { requests: 2 })
  world.pass(14 * MINUTE_MS, { requests: 0 })
  assert.equal(world.wanted, 1)
  world.pass(2 * MINUTE_MS, { requests: 0 })
  assert.deepEqual(
    world.changes.map(({ nodes, reason }) => [nodes, reason]),
    [[0, 'no request for 15 min']],
  )
  const woken = world.look({ requests: 1 })
  assert.deepEqual([woken.kind, woken.nodes, woken.reason], ['up', 1, 'woken: 1 request'])
})

test('short requests that no look sees keep the last node, and without a waiting room it never goes', () => {
  const policy = { ...POLICY, minNodes: 0, waitingRoom: true }
  const world = new World(policy, 1).pass(60 * MINUTE_MS, { requests: 0 })
  assert.equal(world.wanted, 0)
  let state = NEW_SCALING_STATE
  for (let ms = 0; ms < 60 * MINUTE_MS; ms += 5_000) {
    const view = { ...viewOf(START_MS + ms, 1, 1, { requests: 0 }), lastRequestAtMs: START_MS + ms - 1_000 }
    const scaled = decideScaling(policy, view, state)
    state = scaled.state
    assert.equal(scaled.decision.nodes, 1)
  }
  const kept = new World({ ...POLICY, minNodes: 0 }, 1).pass(60 * MINUTE_MS, { requests: 0 })
  assert.deepEqual(kept.changes, [])
})
