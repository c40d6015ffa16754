import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import {
  DEFAULT_ROUTE,
  type Snapshot,
  type SnapshotDeployment,
  type SnapshotRoute,
} from '../../src/core/snapshot.js'
import { ModelDemand } from '../../src/proxy/model-demand.js'
import { type Placed, Placing } from '../../src/proxy/placing.js'
import { RoutedRequest } from '../../src/proxy/routed-request.js'
import { createRouter } from '../../src/proxy/routing.js'
import { readRequestHead } from '../../src/core/request-head.js'
import { deploymentOf, MODEL, nodeOf } from '../support/routed-model.js'

const BODY = Buffer.from('{"model":"big","prompt":"a"}')
const FALLBACK = { ...MODEL, id: 'fallback', name: 'small' }
const TOOK_60_S = Array.from({ length: 4 }, () => ({ atMs: Date.now(), tookMs: 60_000 }))
const ASLEEP = deploymentOf({ asleep: true, launches: TOOK_60_S })

interface World {
  readonly nodes?: Snapshot['nodes']
  readonly deployments?: readonly SnapshotDeployment[]
  readonly route?: Partial<SnapshotRoute>
}

/** A model that sleeps unless told otherwise, and one that may stand in for it. */
function room(first: World = {}) {
  const router = createRouter({ now: Date.now, random: () => 0 })
  let version = 0
  const become = ({ nodes = [], deployments = [ASLEEP], route = {} }: World) => {
    router.apply({
      version: ++version,
      models: [MODEL, FALLBACK],
      nodes,
      routes: [
        { ...DEFAULT_ROUTE, modelId: MODEL.id, ...route },
        { ...DEFAULT_ROUTE, modelId: FALLBACK.id },
      ],
      deployments,
    })
    router.dispatch()
  }
  become(first)
  const ask = (options: { waits?: boolean } = {}) => {
    const route = router.find('big')
    assert.ok(route !== undefined)
    const placed: Placed[] = []
    const placing = new Placing({
      router,
      route,
      request: new RoutedRequest({ header: () => undefined }, readRequestHead(BODY), BODY, 't'),
      tenantId: 't',
      weight: 1,
      explained: false,
      waits: options.waits ?? true,
      onPlaced: (found) => placed.push(found),
    })
    return { placing, placed, found: placing.place(false) }
  }
  /** Requests that the leader hears to wait for the model. */
  const waiting = () =>
    router.demand(Date.now(), true).find(({ modelId }) => modelId === MODEL.id)?.waiting ?? 0
  return { router, become, ask, waiting }
}

function refused(found: unknown): GatewayError {
  assert.ok(found instanceof GatewayError)
  return found
}

test('a request for a model that sleeps waits, is told of, and is placed when there is a node', () => {
  const { become, ask, waiting } = room()
  const asked = [ask(), ask()]
  assert.deepEqual(
    asked.map(({ found }) => found),
    ['waiting', 'waiting'],
  )
  assert.deepEqual(
    asked.map(({ placing }) => placing.position),
    [1, 2],
  )
  assert.equal(waiting(), 2)
  become({ deployments: [deploymentOf({ wanted: 1, launchingSinceMs: Date.now() })] })
  assert.deepEqual(
    asked.map(({ placing }) => placing.inVain()),
    [null, null],
  )
  become({ nodes: [nodeOf('a')], deployments: [deploymentOf({ wanted: 1, serving: 1 })] })
  assert.deepEqual(
    asked.map(({ placed }) => placed.map(({ target }) => target.id)),
    [['a'], ['a']],
  )
  assert.equal(waiting(), 0)
})

test('it waits for as long as its route says for cold starts, not for full models', () => {
  const { ask } = room({ route: { queue: { maxDepth: 5, maxWaitMs: 1_000, coldStartMaxWaitMs: 90_000 } } })
  const before = performance.now()
  const { placing } = ask()
  const waitMs = placing.waitsUntil() - before
  assert.ok(waitMs >= 90_000 && waitMs < 150_000, `${waitMs} ms`)
  assert.deepEqual(placing.tooLong().retryAfterMs, 60_000)
})

test('who would wait for too long is refused with an honest time, and wakes the model', () => {
  const { ask, waiting } = room({
    route: { queue: { maxDepth: 5, maxWaitMs: 1_000, coldStartMaxWaitMs: 59_999 } },
  })
  const error = refused(ask().found)
  assert.deepEqual([error.code, error.status, error.retryAfterMs], ['no_healthy_node', 503, 60_000])
  assert.match(error.message, /in about 60 s/)
  ask()
  // They may be one client that comes back.
  assert.equal(waiting(), 1)
})

test('without a queue nobody waits, and a full one refuses with the time of the launch', () => {
  const without = room({ route: { queue: { maxDepth: 0, maxWaitMs: 1_000, coldStartMaxWaitMs: 600_000 } } })
  assert.equal(refused(without.ask().found).code, 'no_healthy_node')
  assert.equal(without.waiting(), 1)
  const small = room({ route: { queue: { maxDepth: 1, maxWaitMs: 1_000, coldStartMaxWaitMs: 600_000 } } })
  assert.equal(small.ask().found, 'waiting')
  const error = refused(small.ask().found)
  assert.deepEqual([error.code, error.retryAfterMs], ['queue_full', 60_000])
})

test('a launch that is given up, or a pause, ends the wait with a word that says so', () => {
  const { become, ask } = room()
  const { placing } = ask()
  assert.equal(placing.inVain(), null)
  become({ deployments: [deploymentOf({ status: 'failed', wanted: 1 })] })
  assert.match(placing.inVain()?.message ?? '', /launching one has failed/)
  assert.match(refused(ask().found).message, /launching one has failed/)
  become({ deployments: [deploymentOf({ status: 'paused' })] })
  assert.match(placing.inVain()?.message ?? '', /paused/)
  become({ deployments: [] })
  assert.equal(placing.inVain()?.code, 'no_healthy_node')
  // The node has come and is merely doubted: that passes.
  become({ nodes: [nodeOf('a')], deployments: [deploymentOf({ wanted: 1, serving: 1 })] })
  assert.equal(placing.inVain(), null)
  placing.leave()
  assert.equal(placing.inVain(), null)
})

test('a model that is deleted is not waited for', () => {
  const { router, ask } = room()
  const { placing } = ask()
  router.apply({ version: 9, models: [], nodes: [], routes: [], deployments: [] })
  assert.equal(placing.inVain()?.code, 'no_healthy_node')
})

test('another model stands in while its nodes are launched, which the request still wakes', () => {
  const { ask, waiting } = room({
    route: { fallbackModelIds: [FALLBACK.id] },
    nodes: [nodeOf('b', { modelId: FALLBACK.id })],
  })
  const { found } = ask()
  assert.ok(typeof found === 'object' && 'target' in found)
  assert.equal(found.target.id, 'b')
  assert.equal(waiting(), 1)
})

test('a copy neither waits for a model that sleeps nor wakes it', () => {
  const { ask, waiting } = room()
  assert.equal(refused(ask({ waits: false }).found).code, 'no_healthy_node')
  assert.equal(waiting(), 0)
})

test('a model that has all its nodes and is ill refuses at once, as one without deployments', () => {
  const { become, ask, router } = room({
    nodes: [nodeOf('a')],
    deployments: [deploymentOf({ wanted: 1, serving: 1 })],
  })
  router.targets.get('a')?.failed('refused', Date.now())
  const error = refused(ask().found)
  assert.deepEqual([error.code, error.retryAfterMs], ['no_healthy_node', 1_000])
  become({ deployments: [] })
  assert.equal(refused(ask().found).code, 'no_healthy_node')
})

test('who waits at a full model whose last node goes waits for the launch of another', () => {
  const { become, ask, router } = room({
    nodes: [nodeOf('a', { maxConcurrency: 1 })],
    deployments: [deploymentOf({ wanted: 1, serving: 1 })],
  })
  router.targets.get('a')?.enter()
  const { placing, found } = ask()
  assert.equal(found, 'waiting')
  const { maxWaitMs, coldStartMaxWaitMs } = DEFAULT_ROUTE.queue
  const until = placing.waitsUntil()
  become({ deployments: [deploymentOf({ wanted: 1, launchingSinceMs: Date.now() })] })
  assert.equal(placing.waitsUntil(), until - maxWaitMs + coldStartMaxWaitMs)
})

test('models that sleep are listed, those that are paused are not', () => {
  const { router, become } = room()
  const names = () => router.models().map(({ model }) => model.name)
  assert.deepEqual(names(), ['big'])
  become({ deployments: [deploymentOf({ status: 'paused', asleep: true })] })
  assert.deepEqual(names(), [])
})

test('a request whose only node has gone waits for the next, not one whose node has merely failed it', () => {
  const { become, ask } = room({
    nodes: [nodeOf('a')],
    deployments: [deploymentOf({ wanted: 2, serving: 1, launches: TOOK_60_S })],
  })
  const { placing, placed, found } = ask()
  assert.ok(typeof found === 'object' && 'target' in found)
  placing.stayWith(found.route, [found.target])
  assert.equal(refused(placing.place(true)).code, 'no_healthy_node')
  become({ deployments: [deploymentOf({ wanted: 2, launches: TOOK_60_S })] })
  assert.equal(placing.place(true), 'waiting')
  become({ nodes: [nodeOf('b')], deployments: [deploymentOf({ wanted: 2, serving: 1 })] })
  assert.deepEqual(
    placed.map(({ target }) => target.id),
    ['b'],
  )
})

test('a model is told of for half an hour after its last request, and counts as waiting for half a minute', () => {
  const demand = new ModelDemand()
  const at = 1_800_000_000_000
  assert.equal(demand.report('m', 0, at, true), null)
  assert.equal(demand.report('m', 2, at, false)?.waiting, 2)
  demand.requested(at)
  demand.unserved(at)
  assert.equal(demand.report('m', 2, at + 29_000, false)?.waiting, 3)
  const quiet = demand.report('m', 0, at + 31_000, true)
  assert.deepEqual(quiet, { modelId: 'm', waiting: 0, lastRequestAtMs: at, ttft: [] })
  assert.equal(demand.report('m', 0, at + 31_000, false), null)
  assert.equal(demand.report('m', 0, at + 1_790_000, true)?.lastRequestAtMs, at)
  assert.equal(demand.report('m', 0, at + 1_810_000, true), null)
})
