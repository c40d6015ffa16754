import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createMetricSet, type MetricSet } from './metric-cells.js'

/** 0.01 s doubling to 81.92 s. */
export const DURATION_BOUNDS: readonly number[] = Array.from({ length: 14 }, (_, i) => 0.01 * 2 ** i)

/** 0.005 s doubling to 10.24 s: what is promised, a second, is in the middle. */
const REVOCATION_BOUNDS: readonly number[] = Array.from({ length: 12 }, (_, i) => 0.005 * 2 ** i)

/** 1 s doubling to 34 min. */
const LAUNCH_BOUNDS: readonly number[] = Array.from({ length: 12 }, (_, i) => 2 ** i)

const PREFIX = 'crosslogic_'

/**
 * What a control process counts. `processName` is its name under the supervisor. Metrics are declared in this file
 * alone, with bounded label values only.
 */
export function createControlMetrics(processName: string) {
  const set = createMetricSet(PREFIX)
  addProcessMetrics(set, processName)
  return {
    adminAuthFailures: set
      .counter('admin_auth_failures_total', 'Calls of the admin API without a valid token.', [])
      .labels({}),
    launches: set.counter('launches_total', 'Launches of machines that ended, by how.', [
      'launcher',
      'outcome',
    ]),
    launchDuration: set.histogram(
      'launch_duration_seconds',
      'From the plan of a node until it serves.',
      ['launcher'],
      LAUNCH_BOUNDS,
    ),
    nodesLost: set.counter('nodes_lost_total', 'Nodes that served and whose machine was found gone.', [
      'launcher',
    ]),
    orphansRemoved: set.counter('orphans_removed_total', 'Machines that no node knew of, removed.', [
      'launcher',
    ]),
    scalings: set.counter('autoscaler_changes_total', 'Changes of the autoscaler.', ['direction']),
    toJson: () => set.toJson(),
  }
}
export type ControlMetrics = ReturnType<typeof createControlMetrics>

/** What a proxy process counts; `processName` as `proxy-0`. */
export function createProxyMetrics(processName: string) {
  const set = createMetricSet(PREFIX)
  addProcessMetrics(set, processName)
  return {
    requests: set.counter('requests_total', 'Inference requests answered, by final status and error code.', [
      'endpoint',
      'status',
      'code',
    ]),
    requestDuration: set.histogram(
      'request_duration_seconds',
      'From the request head to the last byte.',
      ['endpoint'],
      DURATION_BOUNDS,
    ),
    timeToFirstToken: set.histogram(
      'time_to_first_token_seconds',
      'From the request head to the first byte of the answer.',
      ['model'],
      DURATION_BOUNDS,
    ),
    interTokenLatency: set.histogram(
      'inter_token_latency_seconds',
      'Mean time between the tokens of a request.',
      ['model'],
      DURATION_BOUNDS,
    ),
    tokens: set.counter('tokens_total', 'Tokens billed; kind is prompt, cached or completion.', [
      'model',
      'kind',
    ]),
    refusals: set.counter('refusals_total', 'Requests refused before a node was asked.', ['code']),
    queuedRequests: set.gauge('queued_requests', 'Requests that wait for a node with room.', []).labels({}),
    queueWait: set
      .histogram('queue_wait_seconds', 'Waits for a node with room that ended in one.', [], DURATION_BOUNDS)
      .labels({}),
    limitExchanges: set.counter(
      'limit_exchanges_total',
      "Exchanges of leases with the ledger of limits; ledger is shared (Redis) or own (this process's).",
      ['ledger', 'result'],
    ),
    limitsAlone: set
      .gauge(
        'limits_alone',
        'Proxies that keep limits for themselves, each its share, since Redis does not answer.',
        [],
      )
      .labels({}),
    repeats: set.counter(
      'repeated_attempts_total',
      'Attempts after the first; reason is retry, hedge or resume.',
      ['reason'],
    ),
    mirroredRequests: set
      .counter('mirrored_requests_total', 'Copies sent to models that mirror.', [])
      .labels({}),
    openRequests: set.gauge('open_requests', 'Requests that are being served.', []).labels({}),
    upstreamConnections: set.gauge('upstream_connections', 'Connections to nodes; state is busy or idle.', [
      'state',
    ]),
    upstreamErrors: set.counter('upstream_errors_total', 'Attempts on a node that failed.', ['code']),
    nodeEjections: set.counter(
      'node_ejections_total',
      'Times that a proxy stopped sending requests to a node; cause is refused, in_a_row, error_rate, slow or probe.',
      ['node', 'cause'],
    ),
    nodeRejected: set.gauge('node_rejected', 'Proxies that send no requests to a node.', ['node']),
    modelPanic: set.gauge(
      'model_panic',
      "1: so few of a model's nodes are trusted that all are asked.",
      ['model'],
      'max',
    ),
    authLookups: set.counter(
      'auth_lookups_total',
      'Key look-ups by where they ended (memory, redis, postgres) and result (hit, miss, error).',
      ['source', 'result'],
    ),
    keyRevocationLag: set
      .histogram(
        'key_revocation_lag_seconds',
        'From the commit of a change of a key or tenant until it is in effect here, for running requests too.',
        [],
        REVOCATION_BOUNDS,
      )
      .labels({}),
    snapshotVersion: set
      .gauge('snapshot_version', 'Version served; the oldest of all processes.', [], 'min')
      .labels({}),
    snapshotAge: set
      .gauge(
        'snapshot_age_seconds',
        'Since the routing table was last known to be current; the oldest of all processes.',
        [],
        'max',
      )
      .labels({}),
    spoolBacklogBytes: set
      .gauge('spool_backlog_bytes', 'Usage spooled and not yet in ClickHouse.', [])
      .labels({}),
    spoolBacklogRecords: set
      .gauge('spool_backlog_records', 'Usage records not yet in ClickHouse.', [])
      .labels({}),
    spoolOldest: set
      .gauge('spool_oldest_seconds', 'Age of the oldest record not yet in ClickHouse.', [], 'max')
      .labels({}),
    usageRowsFlushed: set
      .counter('usage_rows_flushed_total', 'Usage rows acknowledged by ClickHouse.', [])
      .labels({}),
    usageFlushFailures: set
      .counter('usage_flush_failures_total', 'Inserts of usage that failed and are retried.', [])
      .labels({}),
    explanationsBuffered: set
      .gauge('explanations_buffered', 'Explanations of requests that are not in ClickHouse yet.', [])
      .labels({}),
    explanationsDropped: set
      .counter(
        'explanations_dropped_total',
        'Explanations of requests that could not be stored in time, or at all.',
        [],
      )
      .labels({}),
    toJson: () => set.toJson(),
  }
}
export type ProxyMetrics = ReturnType<typeof createProxyMetrics>

/** What the supervisor counts; `processName` of the labels is that of a child, as `proxy-0`. */
export function createSupervisorMetrics() {
  const set = createMetricSet(PREFIX)
  addProcessMetrics(set, 'supervisor')
  return {
    restarts: set.counter('process_restarts_total', 'Children that ended unasked and were replaced.', [
      'process',
    ]),
    up: set.gauge('up', 'Whether a child runs and has said that it is ready.', ['process']),
    toJson: () => set.toJson(),
  }
}

/** How often the loop's delay is sampled, in ms; the sample includes this time, so it is taken off again. */
const LOOP_RESOLUTION_MS = 20

/** What each process uses, labelled with its name. The event loop's lag is that since the last reading. */
function addProcessMetrics(set: MetricSet, processName: string): void {
  const named = ['process'] as const
  const cpu = set
    .counter('process_cpu_seconds_total', 'User and system CPU time.', named)
    .labels({ process: processName })
  const resident = set
    .gauge('process_resident_memory_bytes', 'Resident memory.', named)
    .labels({ process: processName })
  const heap = set
    .gauge('process_heap_used_bytes', 'JavaScript heap in use.', named)
    .labels({ process: processName })
  const external = set
    .gauge('process_external_memory_bytes', 'Buffers outside the heap.', named)
    .labels({ process: processName })
  const files = set
    .gauge('process_open_fds', 'Open file descriptors.', named)
    .labels({ process: processName })
  const start = set
    .gauge('process_start_time_seconds', 'Start, Unix time.', named)
    .labels({ process: processName })
  const lag = set.gauge('event_loop_lag_seconds', 'Event loop lag since the last reading.', [
    'process',
    'quantile',
  ])
  start.set(Math.floor(Date.now() / 1000 - process.uptime()))
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  delay.enable()
  const quantiles = [0.5, 0.99, 1].map((quantile) => ({
    percentile: quantile * 100,
    cell: lag.labels({ process: processName, quantile: String(quantile) }),
  }))

  set.onCollect(() => {
    const { user, system } = process.cpuUsage()
    const memory = process.memoryUsage()
    cpu.value = (user + system) / 1e6
    resident.set(memory.rss)
    heap.set(memory.heapUsed)
    external.set(memory.external)
    files.set(openFiles())
    for (const { percentile, cell } of quantiles) {
      const sampledMs = delay.count === 0 ? 0 : delay.percentile(percentile) / 1e6
      cell.set(Math.max(0, sampledMs - LOOP_RESOLUTION_MS) / 1000)
    }
    delay.reset()
  })
}

/** Zero where there is no /proc. */
function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}
