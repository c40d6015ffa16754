import { workerData } from 'piscina'
import type { ContractReply, ContractTask } from '../core/contract/task.js'
import { createClickHouse } from '../io/clickhouse.js'
import { createPostgres } from '../io/postgres.js'
import { createRedis } from '../io/redis.js'
import { createContractServer } from './contract-server.js'
import { allHandlers } from './handlers/all.js'
import { CONCURRENT_TASKS, WorkerSettings } from './worker-settings.js'

/** A worker thread's file: opens the thread's own connections and answers calls of the contract. */
const { databaseUrl, clickhouseUrl, redisUrl } = WorkerSettings.parse(workerData)
const name = 'crosslogic-worker'
/** A report that takes longer is given up: by the server first, by this side when that does not answer at all. */
const MAX_REPORT_SECONDS = 4
const REPORT_TIMEOUT_MS = 5_000

const answer = createContractServer({
  handlers: allHandlers,
  postgres: createPostgres({ url: databaseUrl, max: CONCURRENT_TASKS, applicationName: name }),
  clickhouse: createClickHouse({
    url: clickhouseUrl,
    maxConnections: CONCURRENT_TASKS,
    requestTimeoutMs: REPORT_TIMEOUT_MS,
    maxExecutionSeconds: MAX_REPORT_SECONDS,
  }),
  redis: redisUrl === null ? null : createRedis({ url: redisUrl, connectionName: name }),
})

/** The task that the pool runs. */
export function serve(task: ContractTask): Promise<ContractReply> {
  return answer(task)
}
