import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import type { UsageBacklog } from '../../src/workers/usage-flush.js'
import { startFlusherThread } from '../../src/workers/usage-flush-thread.js'
import { MICROS_PER_TICK, readProcessStat } from '../proc-stat.js'
import type { Store } from './store.js'

export interface FlusherOptions {
  readonly directory: string
  /** The epoch that is being written; null: none. */
  readonly liveEpoch: string | null
  readonly maxBatchRows: number
}

/** The product's flusher, in its thread. */
export interface Flusher extends AsyncDisposable {
  /** What it told last; null: nothing yet. */
  readonly backlog: UsageBacklog | null
  /** Waits until so many records are acknowledged. @throws when a second attempt at an insert was needed, or aborted */
  untilSent(records: number, signal: AbortSignal): Promise<void>
}

const POLL_MS = 10

export function startFlusher(store: Store, options: FlusherOptions): Flusher {
  let backlog: UsageBacklog | null = null
  const thread = startFlusherThread({
    ...options,
    adoptedDirectories: [],
    clickhouseUrl: store.url,
    logLevel: 'warn',
    processName: 'bench',
    logger: pino({ level: 'warn' }),
    onBacklog: (heard) => {
      backlog = heard
    },
  })
  const heard = () => backlog
  return {
    get backlog() {
      return backlog
    },
    async untilSent(records, signal) {
      for (;;) {
        const { rowsSent = 0, failedInserts = 0 } = heard() ?? {}
        if (failedInserts > 0) throw new Error('ClickHouse did not take an insert; see the log above')
        if (rowsSent >= records) return
        await sleep(POLL_MS, undefined, { signal })
      }
    },
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  }
}

/** CPU so far, in microseconds: of this process, in which the flusher is all that works, and of the engine's. */
export interface FlushCpu {
  readonly flusher: number
  readonly engine: number
}

export function readFlushCpu({ pid }: Store): FlushCpu {
  const { user, system } = process.cpuUsage()
  return { flusher: user + system, engine: (readProcessStat(pid)?.cpuTicks ?? 0) * MICROS_PER_TICK }
}
