import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANY_REQUEST } from '../../src/core/policies/policy.js'
import { DEFAULT_ROUTE, type NodeLive, type Snapshot, type SnapshotNode } from '../../src/core/snapshot.js'
import { createRouter, type ModelRoute, type Router } from '../../src/proxy/routing.js'
import type { Target } from '../../src/proxy/target.js'
import { MODEL, nodeOf } from '../support/routed-model.js'

function snapshot(
  nodes: SnapshotNode[],
  route: Partial<Snapshot['routes'][number]> = {},
  version = 1,
): Snapshot {
  const model = { ...MODEL, aliases: ['large', 'org/big'] }
  const routes = [{ ...DEFAULT_ROUTE, modelId: 'model', ...route }]
  return { version, models: [model], nodes, routes, deployments: [] }
}

function routerWith(first: Snapshot): { router: Router; clock: { now: number } } {
  const clock = { now: 1_000_000 }
  const router = createRouter({ now: () => clock.now, random: Math.random })
  router.apply(first)
  return { router, clock }
}

function found(router: Router, name = 'big'): ModelRoute {
  const route = router.find(name)
  assert.ok(route !== undefined)
  return route
}

function picked(router: Router, tried: Target[] = []): string {
  const target = router.pick(found(router), { ...ANY_REQUEST, session: null }, tried)
  return typeof target === 'string' ? target : target.id
}

const live = (nodeId: string, changes: Partial<NodeLive>): [string, NodeLive] => [
  nodeId,
  {
    nodeId,
    healthy: true,
    running: 0,
    waiting: 0,
    kvCacheUsage: null,
    tellsLoad: false,
    proxies: null,
    observedAt: 1_000_000,
    ...changes,
  },
]

test('finds a model by name and by each alias, and nothing else', () => {
  const { router } = routerWith(snapshot([nodeOf('a')]))
  for (const name of ['big', 'large', 'org/big']) assert.equal(found(router, name).model.name, 'big')
  assert.equal(router.find('small'), undefined)
})

test('asks only active nodes', () => {
  const idle = (['launching', 'draining', 'unhealthy', 'terminating', 'failed'] as const).map((status) =>
    nodeOf(status, { status }),
  )
  const { router } = routerWith(snapshot([...idle, nodeOf('a')]))
  for (let i = 0; i < 50; i++) assert.equal(picked(router), 'a')
  router.apply(snapshot(idle))
  assert.equal(picked(router), 'no_healthy_node')
})

test('leaves a node alone that the leader saw failing, until that is old', () => {
  const { router, clock } = routerWith(snapshot([nodeOf('a'), nodeOf('b')]))
  router.applyLive(new Map([live('a', { healthy: false })]))
  for (let i = 0; i < 50; i++) assert.equal(picked(router), 'b')
  clock.now += 5_001
  const seen = new Set(Array.from({ length: 50 }, () => picked(router)))
  assert.deepEqual([...seen].sort(), ['a', 'b'])
})

test('leaves a node alone for a second after it refused a connection', () => {
  const { router, clock } = routerWith(snapshot([nodeOf('a'), nodeOf('b')]))
  router.targets.get('a')?.failed('refused', clock.now)
  for (let i = 0; i < 50; i++) assert.equal(picked(router), 'b')
  clock.now += 1_000
  const seen = new Set(Array.from({ length: 50 }, () => picked(router)))
  assert.deepEqual([...seen].sort(), ['a', 'b'])
})

test('takes what the leader saw beyond our own requests for load of others, until that is old', () => {
  const { router, clock } = routerWith(snapshot([nodeOf('a')]))
  const target = router.targets.get('a')
  assert.ok(target !== undefined)
  target.enter()
  router.applyLive(new Map([live('a', { running: 2, waiting: 1 })]))
  assert.equal(target.load, 3, 'one of ours and two of others')
  clock.now += 5_001
  assert.equal(picked(router), 'a')
  assert.equal(target.load, 1)
})

test('does not take own requests that have just ended for load of others', () => {
  const { router } = routerWith(snapshot([nodeOf('a', { maxConcurrency: 2 })]))
  const target = router.targets.get('a')
  assert.ok(target !== undefined)
  target.enter()
  target.enter()
  assert.equal(picked(router), 'overloaded')
  target.leave()
  target.leave()
  router.applyLive(new Map([live('a', { running: 2 })]))
  assert.equal(target.load, 0)
  assert.equal(picked(router), 'a')
})

test('keeps the live state of nodes over a new snapshot, and takes over what changed', () => {
  const { router } = routerWith(snapshot([nodeOf('a'), nodeOf('b')]))
  const before = router.targets.get('a')
  assert.ok(before !== undefined)
  for (let i = 0; i < 7; i++) before.enter()
  router.apply(snapshot([nodeOf('a', { endpointUrl: 'http://127.0.0.1:9000', weight: 3 })], {}, 2))
  const after = router.targets.get('a')
  assert.equal(after, before)
  assert.equal(after?.inFlight, 7)
  assert.equal(after?.host, '127.0.0.1:9000')
  assert.equal(after?.weight, 3)
  assert.equal(router.targets.has('b'), false)
  assert.equal(router.version, 2)
})

test("a route's weights override the nodes' own; weight 0 takes nothing", () => {
  const { router } = routerWith(
    snapshot([nodeOf('a'), nodeOf('b'), nodeOf('c')], { strategy: 'weighted', nodeWeights: { a: 3, c: 0 } }),
  )
  const counts = new Map<string, number>()
  for (let i = 0; i < 400; i++) {
    const id = picked(router)
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  assert.deepEqual([...counts].sort(), [
    ['a', 300],
    ['b', 100],
  ])
})

test('does not offer a target twice to one request', () => {
  const { router } = routerWith(snapshot([nodeOf('a'), nodeOf('b')]))
  const a = router.targets.get('a')
  const b = router.targets.get('b')
  assert.ok(a !== undefined && b !== undefined)
  assert.equal(picked(router, [a]), 'b')
  assert.equal(picked(router, [a, b]), 'no_healthy_node')
})

test('lists models with a node that is not terminated', () => {
  const { router } = routerWith(snapshot([]))
  assert.deepEqual(router.models(), [])
  router.apply(snapshot([nodeOf('a', { status: 'draining' })]))
  assert.deepEqual(
    router.models().map(({ model }) => model.name),
    ['big'],
  )
})
