import { parentPort, workerData } from 'node:worker_threads'
import { createClickHouse } from '../io/clickhouse.js'
import { createLogger } from '../io/logger.js'
import { startUsageFlusher } from './usage-flush.js'
import { insertExplanations } from './explanation-insert.js'
import { FlushRequest, FlushThreadData, type FlushReport } from './usage-flush-messages.js'

/** The file of the flusher's thread, see usage-flush-thread.ts. */
if (parentPort === null) throw new Error('this file is run as a worker thread')
const port = parentPort
const { clickhouseUrl, logLevel, processName, ...where } = FlushThreadData.parse(workerData)
const report = (message: FlushReport) => {
  port.postMessage(message)
}

const clickhouse = createClickHouse({ url: clickhouseUrl, maxConnections: 2 })
const logger = createLogger({ level: logLevel, process: processName })
const flusher = startUsageFlusher({
  ...where,
  clickhouse,
  logger,
  now: Date.now,
  onBacklog: (backlog) => {
    report({ type: 'backlog', backlog })
  },
})

async function stop(deadlineMs: number): Promise<void> {
  const allSent = await flusher.stop(deadlineMs)
  await clickhouse.close()
  report({ type: 'stopped', allSent })
  port.close()
}

port.on('message', (message) => {
  const request = FlushRequest.parse(message)
  if (request.type === 'stop') {
    void stop(request.deadlineMs)
    return
  }
  const { id, rows } = request
  void insertExplanations(clickhouse, rows, logger).then((outcome) => {
    report({ type: 'explanations', id, outcome })
  })
})
