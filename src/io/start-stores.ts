import { join } from 'node:path'
import type { Settings } from '../core/settings.js'
import { createClickHouse } from './clickhouse.js'
import { startEmbeddedClickHouse } from './embedded/clickhouse.js'
import type { EmbeddedStore } from './embedded/keep-running.js'
import { startEmbeddedPostgres } from './embedded/postgres.js'
import { startEmbeddedRedis } from './embedded/redis.js'
import { keepExplanations } from './explanation-ttl.js'
import type { Lifecycle } from './lifecycle.js'
import type { Logger } from './logger.js'
import { migrateClickHouse, migratePostgres } from './migrate.js'
import { packageRoot } from './package-root.js'
import { StartError } from './start-error.js'

export interface StoreUrls {
  readonly databaseUrl: string
  readonly migrationDatabaseUrl: string
  /** Null: there is no Redis. */
  readonly redisUrl: string | null
  readonly clickhouseUrl: string
}

/** A store may have much to write when it stops. */
const STORE_CLOSE_MS = 60_000

/**
 * Starts the embedded stores, all at once, for those that have no URL; the lifecycle stops them.
 * @throws StartError that says which ones did not start, and why
 */
export async function startStores(
  settings: Settings,
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<StoreUrls> {
  const problems: string[] = []

  /** The store that was started; null when it has a URL, is not there, or did not start. */
  async function startUnless<S extends EmbeddedStore>(
    given: string | null,
    name: string,
    start: (options: { dataDir: string; logger: Logger }) => Promise<S | null>,
  ): Promise<S | null> {
    if (given !== null) return null
    try {
      const store = await start({ dataDir: join(settings.dataDir, name), logger })
      if (store !== null) lifecycle.add(name, () => store.stop(), { timeoutMs: STORE_CLOSE_MS })
      return store
    } catch (error) {
      logger.debug({ event: 'store_failed', store: name, error })
      problems.push(error instanceof Error ? error.message : String(error))
      return null
    }
  }

  const [postgres, redis, clickhouse] = await Promise.all([
    startUnless(settings.databaseUrl, 'postgres', startEmbeddedPostgres),
    startUnless(settings.redisUrl, 'redis', startEmbeddedRedis),
    startUnless(settings.clickhouseUrl, 'clickhouse', startEmbeddedClickHouse),
  ])
  const databaseUrl = settings.databaseUrl ?? postgres?.appUrl ?? null
  const clickhouseUrl = settings.clickhouseUrl ?? clickhouse?.url ?? null
  if (problems.length > 0 || databaseUrl === null || clickhouseUrl === null) {
    throw new StartError(problems.join('; '))
  }
  return {
    databaseUrl,
    migrationDatabaseUrl: settings.migrationDatabaseUrl ?? postgres?.url ?? databaseUrl,
    redisUrl: settings.redisUrl ?? redis?.url ?? null,
    clickhouseUrl,
  }
}

/**
 * Brings both schemas up to date; several may do it at once.
 * @param explainDays how long ClickHouse keeps explanations of requests
 * @throws MigrationError
 */
export async function migrateStores(urls: StoreUrls, logger: Logger, explainDays: number): Promise<void> {
  const directory = (store: string) => join(packageRoot, 'sql', store, 'migrations')
  const url = urls.migrationDatabaseUrl
  await migratePostgres({ url, appUrl: urls.databaseUrl, directory: directory('postgres'), logger })
  const clickhouse = createClickHouse({ url: urls.clickhouseUrl })
  try {
    await migrateClickHouse({ clickhouse, postgresUrl: url, directory: directory('clickhouse'), logger })
    await keepExplanations(clickhouse, explainDays)
  } finally {
    await clickhouse.close()
  }
}
