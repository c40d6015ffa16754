import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { DeploymentView } from '../../../src/core/orchestration/deployment-plan.js'
import type { Retry } from '../../../src/core/orchestration/retry.js'
import { SPOT_AGAIN_AFTER_MS } from '../../../src/core/scaling/spot.js'
import { DeploymentWorld, type Event, NODE_EVENTS, serves } from './deployment-world.js'

const events: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: 'look' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'serve' } as const) },
  { weight: 6, arbitrary: fc.constantFrom(...NODE_EVENTS) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      why: fc.constantFrom('no_capacity', 'refused', 'unauthorized', 'failed'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale' as const), wanted: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'change' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.nat({ max: 3_000 }) }),
  },
)
const lives = fc.array(fc.tuple(events, fc.nat()), { maxLength: 120 })
const policies = fc.record({
  wanted: fc.nat({ max: 5 }),
  isAsleep: fc.boolean(),
  useSpot: fc.boolean(),
  fallbackOnDemandAfterMs: fc.constantFrom(null, 0, 600_000),
})

function lived(
  policy: Partial<DeploymentView>,
  life: readonly (readonly [Event, number])[],
): DeploymentWorld {
  const world = new DeploymentWorld(policy)
  for (const [event, at] of life) world.happen(event, at)
  return world
}

/** Nothing more happens but what was begun: launches come up, what was given up or warned of goes. */
function calm(world: DeploymentWorld): void {
  const { wanted } = world.view
  world.happen({ kind: 'scale', wanted }, 0)
  for (let minute = 0; minute < 200; minute++) {
    world.look()
    world.happen({ kind: 'pass', seconds: 60 }, 0)
    for (const { status } of world.view.nodes) if (status === 'launching') world.happen({ kind: 'serve' }, 0)
    const nodes = world.view.nodes
      .filter((node) => node.status !== 'terminating' && !(node.status === 'draining' && node.isWarned))
      // Health that fails for so long is replaced; what an administrator drained is wanted again.
      .map((node) => (node.status === 'draining' ? ({ ...node, status: 'active' } as const) : node))
      .map((node) => ({ ...node, isSick: node.isSick || (node.isUnhealthy && minute > 5) }))
    world.set({ nodes })
  }
}

test('whatever has happened, when nothing more does there are exactly the nodes that are wanted, of the newest settings', () => {
  fc.assert(
    fc.property(policies, lives, (policy, life) => {
      const world = lived(policy, life)
      calm(world)
      const { nodes, wanted, generation, useSpot } = world.view
      assert.equal(nodes.length, wanted)
      assert.ok(nodes.every((node) => serves(node) && node.generation === generation))
      assert.ok(nodes.every(({ market }) => market === (useSpot ? 'spot' : 'on_demand')))
      const plan = world.look()
      assert.deepEqual([plan.launch, plan.giveUp], [[], []])
      const asleep = policy.isAsleep ? 'active' : 'paused'
      assert.equal(plan.status, wanted === 0 ? asleep : 'active')
    }),
    { numRuns: 300 },
  )
})

test('a plan that gives nothing up is whole: asked again at once there is nothing more to do', () => {
  fc.assert(
    fc.property(policies, lives, (policy, life) => {
      const world = lived(policy, life)
      const first = world.look()
      if (first.giveUp.length > 0) return
      const { nodes } = world.view
      const second = world.look()
      assert.deepEqual([second.launch, second.giveUp, world.view.nodes], [[], [], nodes])
    }),
  )
})

test('a deployment that ends gives up all it has, launches nothing and is over with its last node', () => {
  fc.assert(
    fc.property(policies, lives, (policy, life) => {
      const world = lived(policy, life)
      world.set({ status: 'draining' })
      const plan = world.look()
      assert.deepEqual(
        [plan.launch, plan.status],
        [[], world.view.nodes.length > 0 ? 'draining' : 'terminated'],
      )
      assert.ok(world.view.nodes.every(({ status }) => status === 'terminating'))
      while (world.view.nodes.length > 0) world.happen({ kind: 'vanish' }, 0)
      assert.equal(world.look().status, 'terminated')
    }),
  )
})

/** Statuses of the nodes, the newest first. */
function statuses({ view }: DeploymentWorld): string {
  return view.nodes.map(({ status, generation }) => `${status} ${generation}`).join(', ')
}

test('nodes of old settings are replaced one by one, each when another one serves in its place', () => {
  const world = new DeploymentWorld({ generation: 2, status: 'active' })
  world.set({ nodes: [world.node({ generation: 1 }), world.node({ generation: 1 })] })
  assert.equal(world.look().status, 'scaling')
  assert.equal(statuses(world), 'launching 2, active 1, active 1')
  assert.deepEqual(world.look().giveUp, [])
  world.happen({ kind: 'serve' }, 0)
  assert.deepEqual(
    world.look().giveUp.map(({ why }) => why),
    ['another one has taken its place'],
  )
  world.look()
  assert.equal(statuses(world), 'launching 2, active 2, terminating 1, active 1')
  world.happen({ kind: 'serve' }, 0)
  world.look()
  assert.equal(statuses(world), 'active 2, active 2, terminating 1, terminating 1')
  assert.equal(world.look().status, 'scaling', 'until they are gone')
})

test('as many are launched as are replaced', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.boolean(), { minLength: 8 }), (wanted, ill) => {
      const world = new DeploymentWorld({ generation: 2, status: 'active', wanted })
      const old = ill.slice(0, wanted).map((isUnhealthy) => world.node({ generation: 1, isUnhealthy }))
      world.set({ nodes: old })
      calm(world)
      assert.equal(world.launched, wanted)
    }),
  )
})

test('two nodes that are both sick, or both old and ill, do not wait for each other', () => {
  for (const ill of [{ isSick: true }, { generation: 1 }]) {
    const world = new DeploymentWorld({ generation: 2, status: 'active' })
    const bad = { isUnhealthy: true, ...ill }
    world.set({ nodes: [world.node(bad), world.node(bad)] })
    calm(world)
    assert.equal(statuses(world), 'active 2, active 2')
  }
})

test('while what came instead is ill too, no more sick nodes are given up', () => {
  const world = new DeploymentWorld({ status: 'active' })
  const sick = { isUnhealthy: true, isSick: true }
  world.set({ nodes: [world.node({ isUnhealthy: true }), world.node(sick), world.node(sick)] })
  assert.deepEqual([world.look().giveUp, world.view.nodes.length], [[], 3])
})

test('a scale-down while settings roll out costs no node that serves and is needed', () => {
  const world = new DeploymentWorld({ generation: 2, wanted: 1, status: 'scaling' })
  const launching = { status: 'launching' } as const
  const nodes = [launching, launching, launching, { generation: 1 }].map((changes) => world.node(changes))
  world.set({ nodes })
  world.look()
  assert.equal(statuses(world).match(/active 1/g)?.length, 1)
  assert.equal(world.view.nodes.filter(({ status }) => status === 'launching').length, 1)
})

test('nodes that do not serve go before those that do', () => {
  const world = new DeploymentWorld({ wanted: 1, status: 'active' })
  const ill = world.node({ isUnhealthy: true, streams: 9 })
  world.set({ nodes: [world.node(), ill] })
  assert.deepEqual(
    world.look().giveUp.map(({ id, why }) => [id, why]),
    [[ill.id, 'its deployment is scaled to 1']],
  )
})

test('a launch of old settings, or of a machine that is taken away again, is given up for another', () => {
  const world = new DeploymentWorld({ generation: 2, wanted: 2 })
  const launching = { status: 'launching' } as const
  world.set({
    nodes: [world.node({ ...launching, generation: 1 }), world.node({ ...launching, isWarned: true })],
  })
  const { giveUp, launch } = world.look()
  assert.deepEqual(
    giveUp.map(({ why }) => why),
    ['its deployment has other settings now', 'its machine is taken away'],
  )
  assert.equal(launch.length, 2)
})

test('a node that is warned is replaced before it is gone, one that an administrator drains is not', () => {
  const world = new DeploymentWorld({ status: 'active' })
  const draining = { status: 'draining' } as const
  world.set({ nodes: [world.node({ ...draining, isWarned: true }), world.node(draining)] })
  assert.equal(world.look().launch.length, 1)
})

const RETRY: Retry = {
  failures: 2,
  counted: 2,
  sinceMs: 0,
  failedAtMs: 0,
  lost: false,
  retryAtMs: 0,
  kind: 'failed',
  reason: 'it broke',
}

test('while launches fail one at a time is tried, after a pause, and the deployment says why', () => {
  const world = new DeploymentWorld({ wanted: 3 })
  const retryAtMs = world.view.nowMs + 1_000
  world.set({ retry: { ...RETRY, retryAtMs } })
  const waiting = world.look()
  const at = new Date(retryAtMs).toISOString()
  assert.equal(waiting.reason, `2 launches failed, the next one not before ${at}: it broke`)
  assert.deepEqual(waiting.launch, [])
  world.happen({ kind: 'pass', seconds: 1 }, 0)
  assert.equal(world.look().launch.length, 1)
  assert.deepEqual(world.look().launch, [])
})

test('a deployment that is given up says why, keeps the last failed node, and begins anew when it is changed', () => {
  const world = new DeploymentWorld({ wanted: 2, retry: { ...RETRY, failures: 6, counted: 6 } })
  const failed = { status: 'failed' } as const
  world.set({ nodes: [world.node({ ...failed, plannedAtMs: 1 }), world.node({ ...failed, plannedAtMs: 2 })] })
  const plan = world.look()
  assert.deepEqual([plan.status, plan.reason], ['failed', 'given up after 6 launches: it broke'])
  assert.equal(statuses(world), 'terminating 1, failed 1')
  world.happen({ kind: 'pass', seconds: 1e6 }, 0)
  assert.deepEqual(world.look().launch, [])
  world.happen({ kind: 'scale', wanted: 2 }, 0)
  assert.deepEqual([world.look().launch.length, world.view.status], [2, 'scaling'])
})

test('new settings that cannot be launched are given up with their reason, and the old nodes serve on', () => {
  const world = new DeploymentWorld({ generation: 2, status: 'scaling', retry: { ...RETRY, counted: 6 } })
  world.set({ nodes: [world.node({ generation: 1 }), world.node({ generation: 1 })] })
  const { status, reason, giveUp } = world.look()
  assert.deepEqual([status, reason, giveUp], ['failed', 'given up after 2 launches: it broke', []])
})

test('none wanted is asleep until a request comes, or paused', () => {
  const asleep = new DeploymentWorld({ wanted: 0, isAsleep: true }).look()
  assert.deepEqual([asleep.status, asleep.reason], ['active', 'asleep: the next request wakes it'])
  const paused = new DeploymentWorld({ wanted: 0 }).look()
  assert.deepEqual([paused.status, paused.reason, paused.launch], ['paused', null, []])
})

test('a shortage of spot machines is waited out by all launches, then covered on demand, one of them trying spot again', () => {
  const spot = { useSpot: true, fallbackOnDemandAfterMs: 600_000, wanted: 3 }
  const after = (shortMs: number, refusedMs: number) => {
    const world = new DeploymentWorld(spot)
    const { nowMs } = world.view
    world.set({ shortage: { sinceMs: nowMs - shortMs, refusedAtMs: nowMs - refusedMs } })
    return world.look().launch
  }
  assert.deepEqual(after(10_000, 5_000), ['spot', 'spot', 'spot'])
  assert.deepEqual(after(600_000, 5_000), ['on_demand', 'on_demand', 'on_demand'])
  assert.deepEqual(after(3_000_000, SPOT_AGAIN_AFTER_MS), ['spot', 'on_demand', 'on_demand'])
})

test('what stands in for a spot machine is exchanged for one, launched first', () => {
  const world = new DeploymentWorld({ useSpot: true, wanted: 2, status: 'active' })
  world.set({ nodes: [world.node(), world.node({ market: 'spot' })] })
  assert.deepEqual(world.look().launch, ['spot'])
  world.happen({ kind: 'serve' }, 0)
  assert.equal(world.look().giveUp.length, 1)
  assert.deepEqual(
    world.view.nodes.map(({ status, market }) => `${status} ${market}`),
    ['active spot', 'terminating on_demand', 'active spot'],
  )
})
