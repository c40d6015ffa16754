import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { UsageBacklog } from './usage-flush.js'
import { FlushReport, type FlushThreadData, type StopFlushing } from './usage-flush-messages.js'

export interface FlusherThreadOptions extends FlushThreadData {
  readonly logger: Logger
  readonly onBacklog?: (backlog: UsageBacklog) => void
}

export interface FlusherThread extends AsyncDisposable {
  /** Sends what is left, for at most the deadline; whether all was acknowledged. Call it after closing the spool. */
  stop(deadlineMs: number): Promise<boolean>
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
    worker.postMessage({ type: 'stop', deadlineMs } satisfies StopFlushing)
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
    [Symbol.asyncDispose]: async () => {
      await (stopping ??= stop(0))
    },
  }
}
