import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExplanationSink, StoreOutcome } from '../core/explanation.js'
import type { ChildContext } from '../io/child.js'
import type { ProxyMetrics } from '../io/metrics.js'
import { createExplanationSink } from './explanations.js'
import { openSpool, type Spool } from './spool.js'

export interface FlusherOptions {
  readonly directory: string
  readonly liveEpoch: string
  readonly adoptedDirectories: readonly string[]
  readonly context: ChildContext
  readonly onBacklog: (backlog: UsageBacklog) => void
}

export interface UsageBacklog {
  readonly bytes: number
  readonly rowsInFlight: number
  readonly oldestAgeMs: number
  readonly rowsSent: number
  readonly failedInserts: number
}

export interface UsageFlusher {
  /** Sends what is left, for at most the deadline; whether all was acknowledged. */
  stop(deadlineMs: number): Promise<boolean>
  /** Stores how requests were served; see {@link createExplanationSink}. */
  storeExplanations(rows: readonly string[]): Promise<StoreOutcome>
}

export type StartFlusher = (options: FlusherOptions) => UsageFlusher

export interface UsagePipeline {
  readonly spool: Spool
  readonly explanations: ExplanationSink
}

const FLUSH_DEADLINE_MS = 10_000
const EXPLAIN_DEADLINE_MS = 3_000

/**
 * Opens this slot's spool and starts what carries it into ClickHouse, and what is told of how requests were served beside
 * it. All end with the context's lifecycle: explanations are stored, the spool is closed, then what it holds is sent.
 */
export function startUsagePipeline(
  context: ChildContext,
  metrics: ProxyMetrics,
  startFlusher: StartFlusher,
): UsagePipeline {
  const { settings, slot, logger, lifecycle } = context
  const directory = join(settings.dataDir, 'spool', String(slot))
  const spool = openSpool({
    directory,
    now: () => Date.now() * 1000,
    onError: (error) => {
      logger.error({ event: 'spool_write_failed', error })
    },
  })
  let sent = 0
  let failed = 0
  const flusher = startFlusher({
    directory,
    liveEpoch: spool.epoch,
    // The first slot cares for directories of slots that exist no more.
    adoptedDirectories: slot === 0 ? orphanedSpools(settings.dataDir, settings.proxyProcesses) : [],
    context,
    onBacklog: (backlog) => {
      metrics.spoolBacklogBytes.set(backlog.bytes)
      metrics.spoolBacklogRecords.set(backlog.rowsInFlight)
      metrics.spoolOldest.set(backlog.oldestAgeMs / 1000)
      metrics.usageRowsFlushed.inc(backlog.rowsSent - sent)
      metrics.usageFlushFailures.inc(backlog.failedInserts - failed)
      sent = backlog.rowsSent
      failed = backlog.failedInserts
    },
  })
  const close = async () => {
    try {
      await spool.close()
    } finally {
      const all = await flusher.stop(FLUSH_DEADLINE_MS)
      if (!all) logger.warn({ event: 'usage_left_in_spool', directory })
    }
  }
  lifecycle.add('usage', close, { timeoutMs: FLUSH_DEADLINE_MS + 5_000 })
  const explanations = createExplanationSink({
    perSecond: settings.explainDays === 0 ? 0 : settings.explainPerSecond,
    store: (rows) => flusher.storeExplanations(rows),
    now: () => performance.now(),
    metrics,
  })
  // Closed before the flusher, whose thread stores them.
  lifecycle.add('explanations', () => explanations.close(EXPLAIN_DEADLINE_MS), {
    timeoutMs: EXPLAIN_DEADLINE_MS + 1_000,
  })
  return { spool, explanations }
}

/** Spool directories of slots beyond those that this start has. */
function orphanedSpools(dataDir: string, slots: number): string[] {
  const root = join(dataDir, 'spool')
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^\d+$/.test(entry.name) && Number(entry.name) >= slots)
    .map((entry) => join(root, entry.name))
}
