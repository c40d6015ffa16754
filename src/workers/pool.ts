import { Piscina } from 'piscina'
import type { ContractReply, ContractTask } from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import { CONCURRENT_TASKS, type WorkerSettings } from './worker-settings.js'

export interface WorkerPoolOptions {
  readonly settings: WorkerSettings
  /** Default 2. */
  readonly maxThreads?: number
  /** Calls that may wait for a thread; further ones are refused. Default 256. */
  readonly maxQueue?: number
}

export interface WorkerPool extends AsyncDisposable {
  /**
   * Has a worker thread answer one call.
   * @throws GatewayError overloaded when too many wait, internal_error when the thread died of it
   */
  run(task: ContractTask): Promise<ContractReply>
}

/** Threads that nobody needed for this long end, all but one. */
const IDLE_MS = 30_000

/** Starts the threads that do SQL, validation and JSON, so that no port's event loop has to. */
export function startWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { settings, maxThreads = 2, maxQueue = 256 } = options
  const pool = new Piscina<ContractTask, ContractReply>({
    filename: new URL('./entry.js', import.meta.url).href,
    name: 'serve',
    workerData: settings,
    minThreads: 1,
    maxThreads,
    concurrentTasksPerWorker: CONCURRENT_TASKS,
    maxQueue,
    idleTimeout: IDLE_MS,
  })
  return {
    async run(task) {
      if (pool.queueSize >= maxQueue) throw new GatewayError('overloaded')
      try {
        return await pool.run(task)
      } catch (cause) {
        throw new GatewayError('internal_error', { cause })
      }
    },
    /** Lets running calls finish, then ends the threads and with them their connections. */
    async [Symbol.asyncDispose]() {
      await pool.close()
    },
  }
}
