import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import { startEmbeddedPostgres } from '../../src/io/embedded/postgres.js'
import { startEmbeddedRedis } from '../../src/io/embedded/redis.js'
import { REDIS } from '../compare/contenders/debian-program.js'
import { installCommand } from '../debian-packages.js'

/** Stores that outlive the gateways which share them. */
export interface SharedStores extends AsyncDisposable {
  /** Settings of a gateway that uses them. */
  readonly env: Readonly<Record<'DATABASE_URL' | 'CLICKHOUSE_URL' | 'REDIS_URL', string>>
}

/** @throws when one of them does not start */
export async function startSharedStores(): Promise<SharedStores> {
  const folder = await mkdtemp(join(tmpdir(), 'crosslogic-bench-'))
  // The embedded Postgres runs as another user where root starts it.
  await chmod(folder, 0o755)
  const started: { stop(): PromiseLike<void> }[] = []
  const stop = async () => {
    for (let last = started.pop(); last !== undefined; last = started.pop()) await last.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') })
    started.push(postgres)
    const clickhouse = await startEmbeddedClickHouse({ dataDir: join(folder, 'clickhouse') })
    started.push(clickhouse)
    const redis = await startEmbeddedRedis({ dataDir: join(folder, 'redis') })
    if (redis === null) throw new Error(`two instances need Redis; try: ${installCommand(REDIS)}`)
    started.push(redis)
    return {
      env: { DATABASE_URL: postgres.url, CLICKHOUSE_URL: clickhouse.url, REDIS_URL: redis.url },
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
