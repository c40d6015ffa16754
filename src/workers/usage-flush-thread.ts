import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { UsageBacklog } from './usage-flush.js'
import type { StoreOutcome } from '../core/explanation.js'
import { FlushReport, type FlushRequest, type FlushThreadData } from './usage-flush-messages.js'

export interface FlusherThreadOptions extends FlushThreadData {
  readonly logger: Logger
  readonly onBacklog?: (backlog: UsageBacklog) => void
}

export interface FlusherThread extends AsyncDisposable {
  /** Sends what is left, for at most the deadline; whether all was acknowledged. Call it after closing the spool. */
  stop(deadlineMs: number): Promise<boolean>
  /** Stores lines of explanation-line.ts: not spooled, since nothing is billed from them. Never rejects. */
  storeExplanations(rows: readonly string[]): Promise<StoreOutcome>
}

const RESTART_MS = 1_000
/** Added to a deadline for the thread's own end. */
const GRACE_MS = 2_000

/**
 * Runs the usage flusher in a thread of its own, off the loop that streams tokens. A thread that dies is started
 * again: it finds in the state file what it was doing.
 */
export function startFlusherThread(options: FlusherThreadOptions): FlusherThread {
  const { logger, onBacklog, ...data } = options
  let thread: Worker | null = null
  let restart: NodeJS.Timeout | null = null
  let stopping: Promise<boolean> | null = null
  let stopped: (allSent: boolean) => void = () => {}
  // The counters of threads that have died, so that totals never go back.
  let base = { rowsSent: 0, batchesSent: 0, failedInserts: 0 }
  let latest = base
  /** Explanations on their way, by the number that the thread answers under. */
  const storing = new Map<number, (outcome: StoreOutcome) => void>()
  let lastStored = 0

  const start = () => {
    restart = null
    base = latest
    const worker = new Worker(new URL('./usage-flush-entry.js', import.meta.url), { workerData: data })
    thread = worker
    worker.on('message', (message) => {
      const report = FlushReport.parse(message)
      if (report.type === 'stopped') {
        stopped(report.allSent)
        return
      }
      if (report.type === 'explanations') {
        storing.get(report.id)?.(report.outcome)
        storing.delete(report.id)
        return
      }
      const { rowsSent, batchesSent, failedInserts } = report.backlog
      latest = {
        rowsSent: base.rowsSent + rowsSent,
        batchesSent: base.batchesSent + batchesSent,
        failedInserts: base.failedInserts + failedInserts,
      }
      onBacklog?.({ ...report.backlog, ...latest })
    })
    worker.on('error', (error) => {
      logger.error({ event: 'usage_flusher_died', error })
    })
    worker.on('exit', () => {
      thread = null
      stopped(false)
      for (const answer of storing.values()) answer('failed')
      storing.clear()
      if (stopping === null) restart = setTimeout(start, RESTART_MS)
    })
  }

  const stop = async (deadlineMs: number): Promise<boolean> => {
    if (restart !== null) {
      clearTimeout(restart)
      start()
    }
    const worker = thread
    if (worker === null) return false
    const answer = new Promise<boolean>((resolve) => {
      stopped = resolve
    })
    worker.postMessage({ type: 'stop', deadlineMs } satisfies FlushRequest)
    const late = setTimeout(() => {
      stopped(false)
    }, deadlineMs + GRACE_MS)
    const allSent = await answer
    clearTimeout(late)
    await worker.terminate()
    return allSent
  }

  start()
  return {
    stop: (deadlineMs) => (stopping ??= stop(deadlineMs)),
    storeExplanations: async (rows) => {
      const worker = thread
      if (worker === null) return 'failed'
      const id = ++lastStored
      const answer = new Promise<StoreOutcome>((resolve) => storing.set(id, resolve))
      worker.postMessage({ type: 'explanations', id, rows: [...rows] } satisfies FlushRequest)
      return answer
    },
    [Symbol.asyncDispose]: async () => {
      await (stopping ??= stop(0))
    },
  }
}
