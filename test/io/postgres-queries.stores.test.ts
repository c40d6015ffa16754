import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/io/package-root.js'
import { loadQuery } from '../../src/io/postgres.js'
import { migratedDatabase } from '../support/migrated-database.js'

test('every query fits the schema, and may be run by the role of the app', async () => {
  await using database = await migratedDatabase()
  const names = readdirSync(join(packageRoot, 'sql/postgres/queries')).map((file) =>
    file.replace(/\.sql$/, ''),
  )
  assert.ok(names.length > 0)
  const client = await database.app.connect()
  try {
    for (const name of names) {
      const text = loadQuery(name)
      try {
        await client.query(`PREPARE checked AS ${text}`)
        await client.query('DEALLOCATE checked')
        // PREPARE does not look at rights, which a plan needs.
        await client.query(`EXPLAIN (GENERIC_PLAN) ${text}`)
      } catch (error) {
        throw new Error(`${name}.sql: ${String(error)}`, { cause: error })
      }
    }
  } finally {
    client.release()
  }
})
