import { Pool } from 'pg'
import type { PoolClient } from 'pg'
import type { Logger } from 'pino'
import { sqlFiles } from './sql-files.js'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string
  /** Most connections of this process. */
  readonly max?: number
  /** How long the server may work on a statement; the client gives up a second later. Default 10 s. */
  readonly statementTimeoutMs?: number
  /** How long to wait for a connection, a free one of the pool included. Default 3 s. */
  readonly connectTimeoutMs?: number
  /** How the server's list of connections names this pool. */
  readonly applicationName?: string
  readonly logger?: Logger | undefined
}

/**
 * A pool of connections that never waits without a bound and that outlives the loss of the server. Connects when
 * first used; close it with `end()`.
 */
export function createPostgres(options: PostgresOptions): Pool {
  const { statementTimeoutMs = 10_000, logger } = options
  const pool = new Pool({
    connectionString: options.url,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'crosslogic',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 3_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    // For a server that does not answer at all, not even with its own timeout.
    query_timeout: statementTimeoutMs + 1_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
  })
  // An idle connection that breaks is reported here, and would end the process unheard.
  pool.on('error', (error) => {
    logger?.warn({ event: 'postgres_connection_lost', err: error }, 'an idle Postgres connection broke')
  })
  return pool
}

/** The text of `sql/postgres/queries/<name>.sql`. */
export const loadQuery = sqlFiles('sql/postgres/queries')

/**
 * Runs `work` in one transaction on one connection: committed when it resolves, rolled back when it throws.
 * @throws what `work` or the commit throws
 */
export async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  // A connection in an unknown state is closed, not handed to the next.
  let broken: Error | undefined
  // While it is checked out the pool does not listen; the query under way rejects with the same error.
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((rollback: unknown) => {
      broken = rollback instanceof Error ? rollback : new Error(String(rollback))
    })
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}
