import { join } from 'node:path'
import type { Pool } from 'pg'
import { migratePostgres } from '../../src/io/migrate.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createPostgres } from '../../src/io/postgres.js'
import { freshDatabase } from './stores.js'

export interface MigratedDatabase extends AsyncDisposable {
  readonly url: string
  readonly postgres: Pool
}

/** A database of the test's own with the product's schema, and a pool on it. */
export async function migratedDatabase(): Promise<MigratedDatabase> {
  const database = await freshDatabase()
  await migratePostgres({ url: database.url, directory: join(packageRoot, 'sql/postgres/migrations') })
  const postgres = createPostgres({ url: database.url })
  return {
    url: database.url,
    postgres,
    async [Symbol.asyncDispose]() {
      await postgres.end()
      await database[Symbol.asyncDispose]()
    },
  }
}
