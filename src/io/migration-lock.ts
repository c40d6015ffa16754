import { Client } from 'pg'
import { MigrationError, firstLine } from './migration-files.js'

/** Any number, as long as it is always the same. */
const LOCK_KEYS = [0x63_6c_67_77, 1] as const // "clgw"

/** How long to wait for another process that migrates. */
const LOCK_WAIT_MS = 10 * 60_000
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Runs `work` while no other process of the installation migrates; a second one waits and then finds nothing to do.
 * @param work gets the connection that holds the lock
 * @throws MigrationError when Postgres cannot be reached or the lock is not free in time
 */
export async function withMigrationLock<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'crosslogic-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  // The statement under way rejects with the same error.
  client.on('error', () => {})
  try {
    try {
      await client.connect()
      await client.query(`SET lock_timeout = ${LOCK_WAIT_MS}`)
      await client.query('SELECT pg_advisory_lock($1, $2)', [...LOCK_KEYS])
      await client.query('SET lock_timeout = DEFAULT')
    } catch (error) {
      throw new MigrationError(`migrations need Postgres: ${firstLine(error)}`, 1, { cause: error })
    }
    return await work(client)
  } finally {
    // The lock ends with the connection.
    await client.end().catch(() => {})
  }
}
