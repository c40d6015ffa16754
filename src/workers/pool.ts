import { Piscina } from 'piscina'
import { errorOf } from '../core/contract/failure.js'
import type {
  AdminTokenAnswer,
  ApiDocuments,
  ContractReply,
  ContractTask,
  DocumentsAnswer,
  DocumentsTask,
  FoundAdminToken,
  ModelFiguresAnswer,
} from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import type { ModelFigures } from '../core/model-figures.js'
import { within } from '../io/within.js'
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
  /**
   * Looks up a named admin token by its SHA-256 digest; null when none holds.
   * @throws GatewayError overloaded when the answer does not come within 3 s
   */
  findAdminToken(digest: Uint8Array): Promise<FoundAdminToken | null>
  /** Reads how all models did over the last minutes. @throws GatewayError when ClickHouse does not say it in time */
  readFigures(): Promise<readonly ModelFigures[]>
  /** Derives the API reference of a port. @throws GatewayError overloaded when too many calls wait */
  describe(task: DocumentsTask): Promise<ApiDocuments>
}

/** What a thread is given; null: what it does needs nothing. */
type Input = ContractTask | DocumentsTask | Uint8Array | null
type Answer = ContractReply | AdminTokenAnswer | ModelFiguresAnswer | DocumentsAnswer

/** A call waits for this before it is begun. */
const LOOK_UP_MS = 3_000

/** Threads that nobody needed for this long end, all but one. */
const IDLE_MS = 30_000

/** Starts the threads that do SQL, validation and JSON, so that no port's event loop has to. */
export function startWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { settings, maxThreads = 2, maxQueue = 256 } = options
  const pool = new Piscina<Input, Answer>({
    filename: new URL('./entry.js', import.meta.url).href,
    workerData: settings,
    minThreads: 1,
    maxThreads,
    concurrentTasksPerWorker: CONCURRENT_TASKS,
    maxQueue,
    idleTimeout: IDLE_MS,
  })
  async function inThread(name: 'serve' | 'authenticate' | 'figures' | 'documents', input: Input) {
    if (pool.queueSize >= maxQueue) throw new GatewayError('overloaded')
    try {
      return await pool.run(input, { name })
    } catch (cause) {
      throw new GatewayError('internal_error', { cause })
    }
  }
  return {
    async run(task) {
      const reply = await inThread('serve', task)
      if ('found' in reply || 'figures' in reply || 'documents' in reply)
        throw new GatewayError('internal_error')
      return reply
    },
    async findAdminToken(digest) {
      const answer = await within(LOOK_UP_MS, inThread('authenticate', digest))
      if (answer === null) {
        throw new GatewayError('overloaded', { cause: `no look-up of an admin token in ${LOOK_UP_MS} ms` })
      }
      if ('found' in answer) return answer.found
      throw 'error' in answer ? errorOf(answer) : new GatewayError('internal_error')
    },
    async readFigures() {
      const answer = await inThread('figures', null)
      if ('figures' in answer) return answer.figures
      throw 'error' in answer ? errorOf(answer) : new GatewayError('internal_error')
    },
    async describe(task) {
      const answer = await inThread('documents', task)
      if ('documents' in answer) return answer.documents
      throw new GatewayError('internal_error')
    },
    /** Lets running calls finish, then ends the threads and with them their connections. */
    async [Symbol.asyncDispose]() {
      await pool.close()
    },
  }
}
