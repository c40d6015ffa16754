import type { ClickHouseClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { AppliedMigration, Migration, MigrationResult } from './migration-files.js'
import { MigrationError, firstLine, pendingMigrations, readMigrations } from './migration-files.js'
import { withMigrationLock } from './migration-lock.js'

const Applied = z.array(z.object({ version: z.number(), name: z.string(), checksum: z.string() }))

/**
 * Brings a ClickHouse schema up to date. ClickHouse has no transactions over schemas, so each file is one statement
 * that may be run again (`IF NOT EXISTS`), recorded after it succeeded. Locked by way of Postgres.
 * @throws MigrationError
 */
export async function migrateClickHouse(options: {
  clickhouse: ClickHouseClient
  /** Where the lock is taken. */
  postgresUrl: string
  directory: string
  logger?: Logger | undefined
}): Promise<MigrationResult> {
  const { clickhouse, directory, logger } = options
  const migrations = await readMigrations(directory)
  for (const { file, sql } of migrations) {
    const count = countStatements(sql)
    if (count !== 1) throw new MigrationError(`migration ${file}: must hold one statement and holds ${count}`)
  }
  return withMigrationLock(options.postgresUrl, async () => {
    const pending = pendingMigrations(migrations, await prepare(clickhouse), 'ClickHouse')
    for (const migration of pending) {
      await apply(clickhouse, migration)
      logger?.info({ event: 'migrated', store: 'clickhouse', file: migration.file }, 'migration applied')
    }
    return { applied: pending.map(({ file }) => file), version: migrations.length }
  })
}

async function prepare(clickhouse: ClickHouseClient): Promise<AppliedMigration[]> {
  try {
    await clickhouse.command({
      query: `CREATE TABLE IF NOT EXISTS schema_migrations (
        version UInt32,
        name String,
        checksum String,
        applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
      ) ENGINE = MergeTree ORDER BY version`,
    })
    const result = await clickhouse.query({
      // A crash between the insert and its acknowledgement may leave a row twice.
      query: 'SELECT DISTINCT version, name, checksum FROM schema_migrations ORDER BY version',
      format: 'JSONEachRow',
    })
    return Applied.parse(await result.json())
  } catch (error) {
    throw new MigrationError(`migrations of ClickHouse: ${firstLine(error)}`, 1, { cause: error })
  }
}

async function apply(clickhouse: ClickHouseClient, migration: Migration): Promise<void> {
  const { version, file, sql, checksum } = migration
  try {
    await clickhouse.command({ query: sql })
    await clickhouse.insert({
      table: 'schema_migrations',
      columns: ['version', 'name', 'checksum'],
      values: [{ version, name: file, checksum }],
      format: 'JSONEachRow',
      clickhouse_settings: { async_insert: 0, wait_end_of_query: 1 },
    })
  } catch (error) {
    throw new MigrationError(`migration ${file}: ${firstLine(error)}`, 1, { cause: error })
  }
}

/** Comments, and quoted text in which a semicolon ends nothing; unfinished ones are ClickHouse's to report. */
const OPAQUE = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^'\\]|\\[\s\S]|'')*'|`[^`]*`|"[^"]*"/g

/** How many statements a text holds. A server refuses more than one; the embedded engine would run them all. */
export function countStatements(sql: string): number {
  const bare = sql.replace(OPAQUE, (match) => (/^(?:--|\/\*)/.test(match) ? ' ' : 'x'))
  return bare.split(';').filter((part) => part.trim() !== '').length
}
