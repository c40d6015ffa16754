import { parentPort, workerData } from 'node:worker_threads'
import { LoadBook } from '../core/load-book.js'
import { decodeLoadReport, LOAD_TOPIC } from '../core/load-report.js'
import type { OrchestrationEvent } from '../core/orchestration/orchestration-event.js'
import { createBus } from '../io/bus.js'
import { createClickHouse } from '../io/clickhouse.js'
import { createLogger } from '../io/logger.js'
import { createPostgres } from '../io/postgres.js'
import { createRedis } from '../io/redis.js'
import { probeNodes } from './health-probe.js'
import { LeaderThreadData } from './leader-settings.js'
import { standForLeader } from './leadership.js'
import { createNodeClient } from './node-client.js'
import { orchestrate } from './orchestration/orchestrate.js'
import { watchSpend } from './spend-watch.js'

/** The file of the leader's thread, see leader-thread.ts. Any message ends it. */
if (parentPort === null) throw new Error('this file is run as a worker thread')
const { databaseUrl, clickhouseUrl, redisUrl, logLevel, orchestration, processName } =
  LeaderThreadData.parse(workerData)
const logger = createLogger({ level: logLevel, process: processName })
const stopping = new AbortController()
parentPort.once('message', () => {
  stopping.abort()
})

const postgres = createPostgres({
  url: databaseUrl,
  max: 8,
  statementTimeoutMs: 3_000,
  connectTimeoutMs: 1_000,
  applicationName: 'crosslogic-probe',
  logger,
})
const redis =
  redisUrl === null ? null : createRedis({ url: redisUrl, logger, connectionName: 'crosslogic-probe' })
const bus = createBus(redis === null ? { postgresUrl: databaseUrl, logger } : { redis, logger })
const loads = new LoadBook(null)
bus.subscribe(LOAD_TOPIC, (message) => {
  const report = decodeLoadReport(message)
  if (report !== null) loads.take(report, Date.now())
})
const record = (event: OrchestrationEvent) => parentPort?.postMessage(event)
const client = createNodeClient()
const clickhouse = createClickHouse({
  url: clickhouseUrl,
  maxConnections: 1,
  requestTimeoutMs: 5_000,
  maxExecutionSeconds: 4,
})

await standForLeader({
  postgresUrl: databaseUrl,
  logger,
  signal: stopping.signal,
  lead: async (signal) => {
    const now = Date.now
    await Promise.all([
      probeNodes({ postgres, redis, client, loads, logger, now, random: Math.random }, signal),
      watchSpend({ postgres, clickhouse, logger, now }, signal),
      orchestrate({ postgres, redis, loads, settings: orchestration, logger, now, record }, signal),
    ])
  },
})
await client[Symbol.asyncDispose]()
await clickhouse.close()
await bus.close()
redis?.disconnect()
await postgres.end()
