import type { ProcessReport, ProcessReports } from './process-report.js'

/** What the platform's health is made of; docs/operations.md says the same in words. */
export const COMPONENTS = [
  'control_plane',
  'database',
  'cache',
  'analytics',
  'usage_pipeline',
  'gpu_nodes',
] as const
export type ComponentName = (typeof COMPONENTS)[number]

export const HEALTH_STATUSES = ['healthy', 'degraded', 'unhealthy'] as const
export type HealthStatus = (typeof HEALTH_STATUSES)[number]

export interface ComponentHealth {
  readonly status: HealthStatus
  /** How long it took to find out; null: nothing was asked. */
  readonly latency_ms: number | null
  /** Why it is so, where that is not plain; names no host. */
  readonly detail: string | null
}

/** A store that takes longer than this to answer is slow. */
export const SLOW_MS = 500
/** Usage that waits so long for ClickHouse is late, and then lost to whoever bills from reports. */
export const LATE_USAGE_SECONDS = 60
export const STUCK_USAGE_SECONDS = 600

/** Without these the platform does not do its work: requests are not served, not billed, or nothing can be changed. */
const ESSENTIAL: ReadonlySet<ComponentName> = new Set([
  'control_plane',
  'database',
  'usage_pipeline',
  'gpu_nodes',
])

/**
 * The state of the whole: unhealthy when an essential component is, degraded when anything else is not healthy.
 */
export function overallHealth(components: Readonly<Record<ComponentName, ComponentHealth>>): HealthStatus {
  const statuses = COMPONENTS.map((name) => [name, components[name].status] as const)
  if (statuses.some(([name, status]) => status === 'unhealthy' && ESSENTIAL.has(name))) return 'unhealthy'
  return statuses.every(([, status]) => status === 'healthy') ? 'healthy' : 'degraded'
}

/** A store by how it answered: `failed` covers an error as well as no answer before the deadline. */
export function storeHealth(answer: {
  readonly latencyMs: number
  readonly failed: boolean
}): ComponentHealth {
  const latency_ms = answer.latencyMs
  if (answer.failed) return { status: 'unhealthy', latency_ms, detail: 'does not answer' }
  if (latency_ms > SLOW_MS) return { status: 'degraded', latency_ms, detail: 'answers slowly' }
  return { status: 'healthy', latency_ms, detail: null }
}

/** The admin port that answers this, its workers and the supervisor behind it. */
export function controlPlaneHealth({ processes, latencyMs }: ProcessReports): ComponentHealth {
  if (processes === null) {
    return { status: 'degraded', latency_ms: latencyMs, detail: 'the supervisor does not answer' }
  }
  return { status: 'healthy', latency_ms: latencyMs, detail: null }
}

/** Whether usage reaches ClickHouse in time, as the proxies under this supervisor say. */
export function usagePipelineHealth({ processes, latencyMs: latency_ms }: ProcessReports): ComponentHealth {
  const of = (status: HealthStatus, detail: string | null) => ({ status, latency_ms, detail })
  if (processes === null) return of('degraded', 'not known: the supervisor does not answer')
  const proxies = processes.filter(({ role }) => role === 'proxy')
  if (proxies.length === 0) return of('healthy', 'no proxy runs under this supervisor')
  const silent = proxies.filter(({ status }) => status === null).length
  if (silent === proxies.length) return of('unhealthy', 'no proxy answers')
  const oldest = Math.max(0, ...proxies.map(({ spoolOldestSeconds }) => spoolOldestSeconds ?? 0))
  const waiting = `usage waits since ${Math.round(oldest)} s`
  if (oldest > STUCK_USAGE_SECONDS) return of('unhealthy', waiting)
  const unready = proxies.filter(isUnready).length
  if (unready === proxies.length) return of('unhealthy', 'no proxy can serve')
  if (oldest > LATE_USAGE_SECONDS) return of('degraded', waiting)
  if (silent > 0) return of('degraded', `${silent} of ${proxies.length} proxies do not answer`)
  if (unready > 0) return of('degraded', `${unready} of ${proxies.length} proxies cannot serve`)
  return of('healthy', null)
}

const isUnready = ({ status }: ProcessReport) => status === 'unready'

export interface NodeCounts {
  /** Neither terminated nor failed. */
  readonly total: number
  /** Active, and not found ill by the health check. */
  readonly healthy: number
  /** Active, and found ill. */
  readonly unhealthy: number
  /** Active, and nothing is known of them: the health checks do not report. */
  readonly unknown: number
}

/** The nodes together; `counts` is null when they are not known. */
export function gpuNodesHealth(counts: NodeCounts | null, latency_ms: number): ComponentHealth {
  const of = (status: HealthStatus, detail: string | null) => ({ status, latency_ms, detail })
  if (counts === null) return of('degraded', 'not known: the database does not answer')
  const { total, healthy, unhealthy, unknown } = counts
  if (total === 0) return of('healthy', 'no nodes are registered')
  if (healthy === 0) return of('unhealthy', 'no node can take requests')
  if (unhealthy > 0) return of('degraded', `${unhealthy} of ${total} nodes fail their health check`)
  if (unknown > 0) return of('degraded', `of ${unknown} nodes no health check has reported lately`)
  return of('healthy', null)
}
