import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ROUTE, type NodeLive, type SnapshotNode } from '../../src/core/snapshot.js'
import { describeModel } from '../../src/proxy/endpoints.js'
import { createRouter } from '../../src/proxy/routing.js'
import { MODEL, nodeOf } from '../support/routed-model.js'

const START = 1_000_000
const BASE_URL = 'https://llm.example.com/v1'

/** A model with two nodes that hold one request each, and how it is shown. */
function shownModel(changes: Partial<SnapshotNode> = {}) {
  const router = createRouter({ now: () => START, random: () => 0 })
  const model = { ...MODEL, tokensPerSecond: 2_500 }
  const nodes = [nodeOf('a', { maxConcurrency: 1 }), nodeOf('b', { maxConcurrency: 1, ...changes })]
  router.apply({
    version: 1,
    models: [model],
    nodes,
    routes: [{ ...DEFAULT_ROUTE, modelId: MODEL.id }],
    deployments: [],
  })
  const show = (figures?: { avgLatencyMs: number | null; p95TtftMs: number | null }) => {
    const route = router.byId(MODEL.id)
    assert.ok(route)
    const known = figures && { modelId: MODEL.id, ...figures }
    return describeModel(route, { figures: known, baseUrl: BASE_URL, nowMs: START })
  }
  const target = (id: string) => {
    const found = router.targets.get(id)
    assert.ok(found)
    return found
  }
  const state = () => {
    const { status, healthy_nodes, capacity_tps } = show()
    return [status, healthy_nodes, capacity_tps]
  }
  return { show, state, target, router }
}

function ill(nodeId: string): NodeLive {
  return {
    nodeId,
    healthy: false,
    running: 0,
    waiting: 0,
    kvCacheUsage: null,
    tellsLoad: false,
    proxies: null,
    observedAt: START,
  }
}

test('a model is shown with its price, state and figures', () => {
  const { show } = shownModel()
  assert.deepEqual(show({ avgLatencyMs: 812.4, p95TtftMs: null }), {
    model_id: 'model',
    model_name: 'big',
    family: 'f',
    type: 'chat',
    context_length: 8_192,
    price_input_per_million: 0.000001,
    price_output_per_million: 0.000002,
    price_cached_input_per_million: null,
    status: 'available',
    avg_latency_ms: 812.4,
    p95_ttft_ms: null,
    capacity_tps: 5_000,
    healthy_nodes: 2,
    base_url: BASE_URL,
  })
})

test('what is not known is null, and the rest is there', () => {
  const { avg_latency_ms, p95_ttft_ms, status } = shownModel().show()
  assert.deepEqual([avg_latency_ms, p95_ttft_ms, status], [null, null, 'available'])
})

test('a node that the leader saw ill, or that refused us, degrades its model, and two of them take it away', () => {
  const { state, target, router } = shownModel()
  target('a').failed('refused', START)
  assert.deepEqual(state(), ['degraded', 1, 2_500])
  router.applyLive(new Map([['b', ill('b')]]))
  assert.deepEqual(state(), ['unavailable', 0, 0])
})

test('a model whose nodes are all full is degraded, and healthy', () => {
  const { state, target } = shownModel()
  target('a').enter()
  assert.deepEqual(state(), ['available', 2, 5_000])
  target('b').enter()
  assert.deepEqual(state(), ['degraded', 2, 5_000])
  target('b').leave()
  assert.deepEqual(state(), ['available', 2, 5_000])
})

test('a node that drains is missed in the capacity alone', () => {
  assert.deepEqual(shownModel({ status: 'draining' }).state(), ['available', 1, 2_500])
})
