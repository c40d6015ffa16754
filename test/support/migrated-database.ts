import { join } from 'node:path'
import type { Pool } from 'pg'
import { migratePostgres } from '../../src/io/migrate.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createPostgres } from '../../src/io/postgres.js'
import { freshDatabase } from './stores.js'

export interface MigratedDatabase extends AsyncDisposable {
  readonly url: string
  /** The owner's. */
  readonly postgres: Pool
  readonly appUrl: string
  /** The app's, as the product runs: with the rights that a migration gives it. */
  readonly app: Pool
}

/** Fifty calls at once wait for ten connections, on a machine that may be slow. */
const CONNECT_MS = 60_000

/** A database of the test's own with the product's schema, and pools on it. */
export async function migratedDatabase(): Promise<MigratedDatabase> {
  const template = process.env['TEST_TEMPLATE_DATABASE']
  const database = await freshDatabase(template)
  const postgres = createPostgres({ url: database.url, connectTimeoutMs: CONNECT_MS })
  if (template === undefined) {
    const { url, appUrl } = database
    await migratePostgres({ url, appUrl, directory: join(packageRoot, 'sql/postgres/migrations') })
  } else {
    // Copies are installations of their own: processes of this machine are known by its id.
    await postgres.query('UPDATE installation SET id = gen_random_uuid()')
  }
  const app = createPostgres({ url: database.appUrl, connectTimeoutMs: CONNECT_MS })
  return {
    url: database.url,
    postgres,
    appUrl: database.appUrl,
    app,
    async [Symbol.asyncDispose]() {
      await postgres.end()
      await app.end()
      await database[Symbol.asyncDispose]()
    },
  }
}
