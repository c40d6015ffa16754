/** A program for tests: starts an embedded store, prints its URL and process id, and waits to be killed. */
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import { startEmbeddedPostgres } from '../../src/io/embedded/postgres.js'
import { startEmbeddedRedis } from '../../src/io/embedded/redis.js'

const [kind, dataDir = ''] = process.argv.slice(2)
const start = {
  postgres: startEmbeddedPostgres,
  redis: startEmbeddedRedis,
  clickhouse: startEmbeddedClickHouse,
}
if (kind !== 'postgres' && kind !== 'redis' && kind !== 'clickhouse') throw new Error('which store?')
const store = await start[kind]({ dataDir })
process.stdout.write(`${JSON.stringify({ url: store?.url, pid: store?.pid })}\n`)
setInterval(() => {}, 60_000)
