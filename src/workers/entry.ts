import { workerData } from 'piscina'
import { failureOf } from '../core/contract/failure.js'
import type {
  AdminTokenAnswer,
  ContractReply,
  ContractTask,
  DocumentsAnswer,
  DocumentsTask,
  ModelFiguresAnswer,
} from '../core/contract/task.js'
import { createClickHouse } from '../io/clickhouse.js'
import { createPostgres } from '../io/postgres.js'
import { createRedis } from '../io/redis.js'
import { toGatewayError } from '../core/errors.js'
import { findAdminToken } from './admin-token-lookup.js'
import { createContractServer } from './contract-server.js'
import { allHandlers } from './handlers/all.js'
import { launchingBy, NOTHING_LAUNCHED } from './launchers/launching.js'
import { readModelFigures } from './model-figures.js'
import { fromStoreError } from './store-errors.js'
import { CONCURRENT_TASKS, WorkerSettings } from './worker-settings.js'

/** A worker thread's file: opens the thread's own connections and answers calls of the contract. */
const { databaseUrl, clickhouseUrl, redisUrl, launching } = WorkerSettings.parse(workerData)
const name = 'crosslogic-worker'
/** A report that takes longer is given up: by the server first, by this side when that does not answer at all. */
const MAX_REPORT_SECONDS = 4
const REPORT_TIMEOUT_MS = 5_000

const postgres = createPostgres({ url: databaseUrl, max: CONCURRENT_TASKS, applicationName: name })
const clickhouse = createClickHouse({
  url: clickhouseUrl,
  maxConnections: CONCURRENT_TASKS,
  requestTimeoutMs: REPORT_TIMEOUT_MS,
  maxExecutionSeconds: MAX_REPORT_SECONDS,
})
const answer = createContractServer({
  handlers: allHandlers,
  postgres,
  clickhouse,
  redis: redisUrl === null ? null : createRedis({ url: redisUrl, connectionName: name }),
  launching: launching === null ? NOTHING_LAUNCHED : launchingBy(launching),
})

/** What the pool runs most: a call of the contract. */
export function serve(task: ContractTask): Promise<ContractReply> {
  return answer(task)
}

/** Who the admin token of a digest belongs to. */
export async function authenticate(digest: Uint8Array): Promise<AdminTokenAnswer> {
  try {
    return { found: await findAdminToken(postgres, digest) }
  } catch (thrown) {
    return failureOf(toGatewayError(fromStoreError(thrown)))
  }
}

/** The API reference of a port. */
export async function documents({ port, serverUrl }: DocumentsTask): Promise<DocumentsAnswer> {
  const { apiDocuments } = await import('../io/api-documents.js')
  return { documents: apiDocuments(port, serverUrl) }
}

/** How all models did of late. */
export async function figures(): Promise<ModelFiguresAnswer> {
  try {
    return { figures: await readModelFigures(clickhouse) }
  } catch (thrown) {
    return failureOf(toGatewayError(fromStoreError(thrown)))
  }
}
