import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ChildContext } from '../io/child.js'
import type { ProxyMetrics } from '../io/metrics.js'
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
}

export type StartFlusher = (options: FlusherOptions) => UsageFlusher

const FLUSH_DEADLINE_MS = 10_000

/**
 * Opens this slot's spool and starts what carries it into ClickHouse. Both end with the context's lifecycle: the spool
 * is closed first, then what it holds is sent.
 */
export function startUsagePipeline(
  context: ChildContext,
  metrics: ProxyMetrics,
  startFlusher: StartFlusher,
): Spool {
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
  return spool
}

/** Spool directories of slots beyond those that this start has. */
function orphanedSpools(dataDir: string, slots: number): string[] {
  const root = join(dataDir, 'spool')
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^\d+$/.test(entry.name) && Number(entry.name) >= slots)
    .map((entry) => join(root, entry.name))
}
