import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ModelView, ProxiesView } from '../../../src/core/load-book.js'
import {
  type ScaledNode,
  scalingPolicy,
  scalingView,
  type SeenDeployment,
} from '../../../src/core/orchestration/scaling-view.js'
import { decideScaling } from '../../../src/core/scaling/decide.js'
import { staleness } from '../../../src/core/scaling/need.js'
import { NEW_SCALING_STATE } from '../../../src/core/scaling/state.js'
import type { NodeLive } from '../../../src/core/snapshot.js'

const NOW = 1_800_000_000_000
const QUIET: ModelView = { waiting: 0, lastRequestAtMs: null, p95TtftMs: null }

function liveOf(nodeId: string, changes: Partial<NodeLive> = {}): NodeLive {
  return {
    nodeId,
    healthy: true,
    running: 0,
    waiting: 0,
    kvCacheUsage: null,
    tellsLoad: true,
    proxies: null,
    observedAt: NOW - 400,
    ...changes,
  }
}

function proxiesOf(inFlight: number): ProxiesView {
  return { inFlight, ttftMs: null, itlMs: null, breaker: 'admitting', rejectedBy: 0, errorRate: null }
}

const active = (id: string): ScaledNode => ({ id, status: 'active' })

function viewOf(changes: Partial<SeenDeployment> = {}, live: readonly NodeLive[] = []) {
  return scalingView({
    nowMs: NOW,
    id: 'd',
    wanted: 1,
    nodes: [active('n')],
    live: new Map(live.map((node) => [node.nodeId, node])),
    model: QUIET,
    scaled: [{ id: 'd', nodes: 1 }],
    ...changes,
  })
}

test('a request at a node counts once, by the engine’s count or the proxies’, whichever is greater', () => {
  const requests = (live: Partial<NodeLive>) => {
    const [gauges] = viewOf({}, [liveOf('n', live)]).serving
    return [gauges?.inFlight, gauges?.waiting]
  }
  assert.deepEqual(requests({ running: 4, waiting: 2 }), [4, 2])
  assert.deepEqual(requests({ running: 4, waiting: 2, proxies: proxiesOf(6) }), [4, 2])
  assert.deepEqual(requests({ running: 4, waiting: 2, proxies: proxiesOf(9) }), [7, 2])
  assert.deepEqual(requests({ running: 4, waiting: 0, proxies: proxiesOf(1) }), [4, 0])
  const silent = { running: null, waiting: null, tellsLoad: false }
  assert.deepEqual(requests({ ...silent, proxies: proxiesOf(3) }), [3, 0])
  assert.deepEqual(requests(silent), [0, 0])
})

test('what was told once and is told no more is unknown, and freezes', () => {
  const frozen = (seen: Partial<SeenDeployment>, live: NodeLive[]) => staleness(viewOf(seen, live)) !== null
  const known = liveOf('n', { kvCacheUsage: 0.5 })
  assert.equal(frozen({}, [known]), false)
  assert.equal(frozen({}, []), true)
  assert.equal(frozen({}, [{ ...known, running: null, waiting: null, kvCacheUsage: null }]), true)
  assert.equal(frozen({}, [{ ...known, observedAt: NOW - 16_000 }]), true)
  assert.equal(frozen({ model: null }, [known]), true)
  assert.equal(frozen({ model: { ...QUIET, waiting: null } }, [known]), true)
  // Nobody tells what runs at a node whose engine says nothing either.
  assert.equal(viewOf({ model: null }, [{ ...known, tellsLoad: false, running: null }]).serving[0], null)
})

test('only nodes that take requests serve: not those that launch, go, or are ill', () => {
  const statuses = ['launching', 'active', 'draining', 'unhealthy', 'terminating', 'failed'] as const
  const nodes = [...statuses.map((status) => ({ id: status, status })), active('ill')]
  const live = [...statuses.map((id) => liveOf(id)), liveOf('ill', { healthy: false, running: null })]
  const view = viewOf({ nodes }, live)
  assert.deepEqual([view.serving.length, view.launching, staleness(view)], [1, 1, null])
})

test('what waits for a model is shared by nodes, and nothing of it is lost', () => {
  const deployments = fc.uniqueArray(fc.record({ id: fc.uuid(), nodes: fc.nat(20) }), {
    minLength: 1,
    maxLength: 6,
    selector: ({ id }) => id,
  })
  fc.assert(
    fc.property(deployments, fc.nat(1_000), (scaled, waiting) => {
      const shares = scaled.map(({ id }) => viewOf({ id, scaled, model: { ...QUIET, waiting } }).waiting ?? 0)
      const sum = shares.reduce((total, share) => total + share, 0)
      assert.ok(sum >= waiting && sum < waiting + scaled.length)
      const nodes = scaled.reduce((total, deployment) => total + deployment.nodes, 0)
      shares.forEach((share, at) => {
        const own = scaled[at]?.nodes ?? 0
        if (nodes > 0) assert.ok(Math.abs(share - (waiting * own) / nodes) < 1)
      })
      if (nodes === 0) assert.equal(shares.filter((share) => share > 0).length, Math.min(1, waiting))
    }),
  )
})

test('one that alone can be woken gets all that waits, and one that does not scale nothing', () => {
  const model = { ...QUIET, waiting: 7 }
  assert.equal(viewOf({ model, nodes: [], scaled: [{ id: 'd', nodes: 0 }] }).waiting, 7)
  assert.equal(viewOf({ model, scaled: [{ id: 'other', nodes: 0 }] }).waiting, 0)
})

test('a request that waits wakes a deployment that sleeps, at the next look', () => {
  const auto = { enabled: true, min_nodes: 0, max_nodes: 3, target_concurrency: null, target_ttft_ms: null }
  const policy = scalingPolicy(auto, { maxDepth: 10 })
  const asleep = { wanted: 0, nodes: [], scaled: [{ id: 'd', nodes: 0 }] }
  const quiet = decideScaling(policy, viewOf(asleep), NEW_SCALING_STATE)
  assert.equal(quiet.decision.nodes, 0)
  const model = { waiting: 1, lastRequestAtMs: NOW, p95TtftMs: null }
  assert.equal(decideScaling(policy, viewOf({ ...asleep, model }), quiet.state).decision.nodes, 1)
  // Without a queue there is nobody to wake it.
  const without = scalingPolicy(auto, { maxDepth: 0 })
  assert.equal(decideScaling(without, viewOf(asleep), NEW_SCALING_STATE).decision.nodes, 1)
})
