import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/io/package-root.js'
import { loadQuery } from '../../src/io/postgres.js'
import { migratedDatabase } from '../support/migrated-database.js'

test('every query fits the schema', async () => {
  await using database = await migratedDatabase()
  const names = readdirSync(join(packageRoot, 'sql/postgres/queries')).map((file) =>
    file.replace(/\.sql$/, ''),
  )
  assert.ok(names.length > 0)
  const client = await database.postgres.connect()
  try {
    for (const name of names) {
      await client.query(`PREPARE checked AS ${loadQuery(name)}`).catch((error: unknown) => {
        throw new Error(`${name}.sql: ${String(error)}`)
      })
      await client.query('DEALLOCATE checked')
    }
  } finally {
    client.release()
  }
})
