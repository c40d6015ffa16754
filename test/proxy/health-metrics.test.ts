import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ROUTE, type Snapshot, type SnapshotNode } from '../../src/core/snapshot.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { createHealthMetrics } from '../../src/proxy/health-metrics.js'
import { createRouter } from '../../src/proxy/routing.js'

const START = 1_000_000

function snapshot(names: readonly string[]): Snapshot {
  const nodes = names.map((name): SnapshotNode => ({
    id: name,
    clusterName: name,
    modelId: 'model',
    endpointUrl: 'http://127.0.0.1:8000',
    upstreamModel: 'upstream',
    weight: 1,
    maxConcurrency: null,
    apiKey: null,
    engine: 'vllm',
    status: 'active',
  }))
  const model = {
    id: 'model',
    name: 'big',
    aliases: [],
    family: 'f',
    type: 'chat' as const,
    contextLength: 8_192,
    prices: { inputMicros: 1, cachedInputMicros: null, outputMicros: 2 },
    createdAt: 1,
  }
  return { version: 1, models: [model], nodes, routes: [{ ...DEFAULT_ROUTE, modelId: 'model' }] }
}

test('counts ejections once, and shows who is rejected and which model panics, until they are gone', () => {
  const metrics = createProxyMetrics('proxy-0')
  const health = createHealthMetrics(metrics)
  const router = createRouter({ now: () => START, random: () => 0 })
  router.apply(snapshot(['a', 'b', 'c']))
  const read = () => [
    metrics.nodeEjections.labels({ node: 'a', cause: 'refused' }).value,
    metrics.nodeRejected.labels({ node: 'a' }).value,
    metrics.nodeRejected.labels({ node: 'b' }).value,
    metrics.modelPanic.labels({ model: 'big' }).value,
  ]
  health.update(router.models(), START)
  assert.deepEqual(read(), [0, 0, 0, 0])
  router.targets.get('a')?.failed('refused', START)
  health.update(router.models(), START)
  health.update(router.models(), START)
  assert.deepEqual(read(), [1, 1, 0, 0])
  router.targets.get('b')?.failed('refused', START)
  health.update(router.models(), START)
  assert.deepEqual(read(), [1, 1, 1, 1])
  router.apply(snapshot(['b', 'c']))
  health.update(router.models(), START)
  assert.deepEqual(read(), [1, 0, 1, 0])
})
