import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ROUTE, type Snapshot } from '../../src/core/snapshot.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { createHealthMetrics } from '../../src/proxy/health-metrics.js'
import { createRouter } from '../../src/proxy/routing.js'
import { MODEL, nodeOf } from '../support/routed-model.js'

const START = 1_000_000

function snapshot(names: readonly string[]): Snapshot {
  const routes = [{ ...DEFAULT_ROUTE, modelId: MODEL.id }]
  return { version: 1, models: [MODEL], nodes: names.map((name) => nodeOf(name)), routes, deployments: [] }
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
