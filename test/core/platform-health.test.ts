import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ComponentHealth,
  type ComponentName,
  COMPONENTS,
  controlPlaneHealth,
  gpuNodesHealth,
  HEALTH_STATUSES,
  type HealthStatus,
  LATE_USAGE_SECONDS,
  overallHealth,
  SLOW_MS,
  storeHealth,
  STUCK_USAGE_SECONDS,
  usagePipelineHealth,
} from '../../src/core/platform-health.js'
import type { ProcessReport } from '../../src/core/process-report.js'

const statuses = fc.constantFrom(...HEALTH_STATUSES)
type Statuses = Record<ComponentName, HealthStatus>
const platforms = fc.record<Statuses>({
  control_plane: statuses,
  database: statuses,
  cache: statuses,
  analytics: statuses,
  usage_pipeline: statuses,
  gpu_nodes: statuses,
})
const component = (status: HealthStatus): ComponentHealth => ({ status, latency_ms: 1, detail: null })
const overall = (of: Statuses) =>
  overallHealth({
    control_plane: component(of.control_plane),
    database: component(of.database),
    cache: component(of.cache),
    analytics: component(of.analytics),
    usage_pipeline: component(of.usage_pipeline),
    gpu_nodes: component(of.gpu_nodes),
  })
const badness = (status: HealthStatus) => HEALTH_STATUSES.indexOf(status)

test('the whole is healthy exactly when every part is, and unhealthy exactly when an essential part is', () => {
  fc.assert(
    fc.property(platforms, (of) => {
      const whole = overall(of)
      assert.equal(
        whole === 'healthy',
        COMPONENTS.every((name) => of[name] === 'healthy'),
      )
      const essential = [of.control_plane, of.database, of.usage_pipeline, of.gpu_nodes]
      assert.equal(whole === 'unhealthy', essential.includes('unhealthy'))
    }),
  )
})

test('a part that gets worse never makes the whole better', () => {
  fc.assert(
    fc.property(platforms, fc.constantFrom(...COMPONENTS), statuses, (of, name, status) => {
      fc.pre(badness(status) >= badness(of[name]))
      assert.ok(badness(overall({ ...of, [name]: status })) >= badness(overall(of)))
    }),
  )
})

test('a store is judged by its answer: none, a slow one, a good one', () => {
  assert.equal(storeHealth({ latencyMs: 1, failed: true }).status, 'unhealthy')
  assert.equal(storeHealth({ latencyMs: SLOW_MS + 1, failed: false }).status, 'degraded')
  assert.deepEqual(storeHealth({ latencyMs: SLOW_MS, failed: false }), {
    status: 'healthy',
    latency_ms: SLOW_MS,
    detail: null,
  })
})

const proxy = (changes: Partial<ProcessReport> = {}): ProcessReport => ({
  name: 'proxy-0',
  role: 'proxy',
  status: 'ready',
  spoolOldestSeconds: 0,
  ...changes,
})
const pipeline = (...processes: ProcessReport[]) => {
  const { status, detail } = usagePipelineHealth({ processes, latencyMs: 1 })
  return `${status}: ${detail}`
}

test('the usage pipeline is judged by what the proxies say, and by those that say nothing', () => {
  assert.equal(pipeline(proxy()), 'healthy: null')
  assert.equal(pipeline(), 'healthy: no proxy runs under this supervisor')
  const late = proxy({ spoolOldestSeconds: LATE_USAGE_SECONDS + 1 })
  assert.equal(pipeline(proxy(), late), 'degraded: usage waits since 61 s')
  const stuck = proxy({ spoolOldestSeconds: STUCK_USAGE_SECONDS + 1 })
  assert.equal(pipeline(late, stuck, proxy()), 'unhealthy: usage waits since 601 s')
  const silent = proxy({ status: null, spoolOldestSeconds: null })
  assert.equal(pipeline(proxy(), silent), 'degraded: 1 of 2 proxies do not answer')
  assert.equal(pipeline(silent, silent), 'unhealthy: no proxy answers')
  const unready = proxy({ status: 'unready' })
  assert.equal(pipeline(proxy(), unready), 'degraded: 1 of 2 proxies cannot serve')
  assert.equal(pipeline(unready), 'unhealthy: no proxy can serve')
  assert.equal(usagePipelineHealth({ processes: null, latencyMs: 1 }).status, 'degraded')
})

test('nodes: ill ones degrade, none that can take requests is unhealthy, none at all is no illness', () => {
  const nodes = (total: number, healthy: number, unhealthy: number, unknown = 0) =>
    gpuNodesHealth({ total, healthy, unhealthy, unknown }, 1).status
  assert.equal(nodes(0, 0, 0), 'healthy')
  assert.equal(nodes(3, 3, 0), 'healthy')
  assert.equal(nodes(3, 2, 1), 'degraded')
  assert.equal(nodes(3, 0, 3), 'unhealthy')
  assert.equal(nodes(3, 0, 0), 'unhealthy')
  assert.equal(nodes(3, 3, 0, 1), 'degraded')
  assert.equal(gpuNodesHealth(null, 1).status, 'degraded')
})

test('a supervisor that does not answer degrades the control plane', () => {
  assert.equal(controlPlaneHealth({ processes: null, latencyMs: 1000 }).status, 'degraded')
  assert.equal(controlPlaneHealth({ processes: [], latencyMs: 1 }).status, 'healthy')
})
