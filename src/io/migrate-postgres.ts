import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from 'pg'
import type { Client, Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { grantAppRole } from './grant-app-role.js'
import type { AppliedMigration, Migration, MigrationResult } from './migration-files.js'
import { MigrationError, firstLine, pendingMigrations, readMigrations } from './migration-files.js'
import { withMigrationLock } from './migration-lock.js'

const UNDEFINED_TABLE = '42P01'

const Applied = z.array(z.object({ version: z.number(), name: z.string(), checksum: z.string() }))

/**
 * Brings a Postgres schema up to date: each file in one transaction, under a lock, so that many processes may start
 * at once. Then gives the app's role its rights, on what is new as well.
 * @throws MigrationError, with nothing of the failing file applied
 */
export async function migratePostgres(options: {
  url: string
  /** How the app connects; left out where it is the same. */
  appUrl?: string
  directory: string
  logger?: Logger | undefined
}): Promise<MigrationResult> {
  const migrations = await readMigrations(options.directory)
  return withMigrationLock(options.url, async (client) => {
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      version integer PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`)
    const pending = pendingMigrations(migrations, await readApplied(client), 'Postgres')
    for (const migration of pending) {
      await apply(client, migration)
      options.logger?.info(
        { event: 'migrated', store: 'postgres', file: migration.file },
        'migration applied',
      )
    }
    const appUrl = options.appUrl === options.url ? undefined : options.appUrl
    await grantAppRole({ client, appUrl, logger: options.logger })
    return { applied: pending.map(({ file }) => file), version: migrations.length }
  })
}

async function readApplied(client: Client): Promise<AppliedMigration[]> {
  const { rows } = await client.query(
    'SELECT version, name, checksum FROM schema_migrations ORDER BY version',
  )
  return Applied.parse(rows)
}

async function apply(client: Client, { version, file, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('BEGIN')
    await client.query(sql)
    // A path that a file set must not reach the next one. RESET is undone with the transaction, too.
    await client.query('RESET ALL')
    await client.query('INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)', [
      version,
      file,
      checksum,
    ])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // The connection is gone, and the transaction with it.
    throw new MigrationError(`migration ${file}: ${reasonOf(error, sql)}`, 1, { cause: error })
  }
}

/** `relation "x" does not exist (42P01), line 12` */
function reasonOf(error: unknown, sql: string): string {
  if (!(error instanceof DatabaseError)) return firstLine(error)
  const position = Number(error.position)
  const line = Number.isNaN(position) ? '' : `, line ${sql.slice(0, position).split('\n').length}`
  return `${firstLine(error)} (${error.code ?? 'no code'})${line}`
}

/** The version of a Postgres schema: the number of its last migration, 0 for an empty database. */
export async function postgresVersion(pool: Pool): Promise<number> {
  try {
    const { rows } = await pool.query('SELECT coalesce(max(version), 0) AS version FROM schema_migrations')
    return z.tuple([z.object({ version: z.number() })]).parse(rows)[0].version
  } catch (error) {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return 0
    throw error
  }
}

/**
 * Waits until the schema has at least a version; for processes that do not migrate. Postgres being away counts as
 * not yet.
 * @throws MigrationError after the time given, or when aborted
 */
export async function waitForVersion(options: {
  pool: Pool
  version: number
  timeoutMs: number
  signal?: AbortSignal
}): Promise<void> {
  const { pool, version, timeoutMs, signal } = options
  const deadline = performance.now() + timeoutMs
  let seen = 'Postgres did not answer'
  while (performance.now() < deadline && !signal?.aborted) {
    try {
      const present = await postgresVersion(pool)
      if (present >= version) return
      seen = `the Postgres schema is at version ${present}`
    } catch (error) {
      seen = firstLine(error)
    }
    await sleep(250, undefined, { ...(signal && { signal }) }).catch(() => {})
  }
  throw new MigrationError(`waited for version ${version} of the schema: ${seen}`)
}
