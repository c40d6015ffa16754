import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { OrchestrationEvent } from '../core/orchestration/orchestration-event.js'
import type { LeaderThreadData } from './leader-settings.js'

export interface LeaderThreadOptions extends LeaderThreadData {
  readonly logger: Logger
  /** Hears what the leader does to the fleet. */
  readonly onEvent?: (event: OrchestrationEvent) => void
}

const RESTART_MS = 1_000
/** A thread that does not end by itself within this time is ended. */
const STOP_MS = 5_000

/**
 * Stands for leader and, when elected, probes the nodes, in a thread of its own. A thread that dies is started again.
 * Disposal ends it cleanly, leadership given back.
 */
export function startLeaderThread({ logger, onEvent, ...data }: LeaderThreadOptions): AsyncDisposable {
  let thread: Worker | null = null
  let restart: NodeJS.Timeout | undefined
  let stopping = false

  const start = () => {
    const worker = new Worker(new URL('./leader-entry.js', import.meta.url), { workerData: data })
    thread = worker
    worker.on('message', (message) => onEvent?.(OrchestrationEvent.parse(message)))
    worker.on('error', (error) => {
      logger.error({ event: 'leader_thread_died', error })
    })
    worker.on('exit', () => {
      thread = null
      if (!stopping) restart = setTimeout(start, RESTART_MS)
    })
  }

  start()
  return {
    async [Symbol.asyncDispose]() {
      stopping = true
      clearTimeout(restart)
      const worker = thread
      if (worker === null) return
      const late = setTimeout(() => void worker.terminate(), STOP_MS)
      const exit = new Promise((resolve) => worker.once('exit', resolve))
      worker.postMessage('stop')
      await exit
      clearTimeout(late)
    },
  }
}
