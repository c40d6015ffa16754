// A process that flushes a spool directory in which nothing is alive: `node usage-flusher.js <directory> <url>`.
import pino from 'pino'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { startUsageFlusher } from '../../src/workers/usage-flush.js'

const [directory = '', url = ''] = process.argv.slice(2)
startUsageFlusher({
  directory,
  liveEpoch: null,
  clickhouse: createClickHouse({ url }),
  logger: pino({ level: 'silent' }),
  now: Date.now,
  intervalMs: 20,
})
