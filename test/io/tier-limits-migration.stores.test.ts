import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TIER_LIMITS, TIERS } from '../../src/core/tiers.js'
import { migratePostgres } from '../../src/io/migrate.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createPostgres } from '../../src/io/postgres.js'
import { numberedId } from '../support/spool.js'
import { freshDatabase } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MIGRATIONS = join(packageRoot, 'sql/postgres/migrations')

test('tenants of before get the limits of their tier, but for one that has limits', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  const before = join(folder.path, 'before')
  await mkdir(before)
  const files = (await readdir(MIGRATIONS)).sort()
  const first = files.findIndex((file) => file.endsWith('-tier-limits.sql'))
  assert.ok(first > 0)
  for (const file of files.slice(0, first)) await copyFile(join(MIGRATIONS, file), join(before, file))
  await migratePostgres({ url: database.url, directory: before })
  const postgres = createPostgres({ url: database.url })
  try {
    for (const [i, tier] of TIERS.entries()) {
      await postgres.query('INSERT INTO tenants (id, name, email, tier) VALUES ($1, $2, $2, $2)', [
        numberedId(i),
        tier,
      ])
    }
    await postgres.query(
      `INSERT INTO tenants (id, name, email, tier, max_concurrency) VALUES ($1, 'own', 'own', 'free', 7)`,
      [numberedId(9)],
    )
    await migratePostgres({ url: database.url, directory: MIGRATIONS })
    const { rows } = await postgres.query<Record<string, unknown>>(
      `SELECT name, json_build_object('rate_limit_per_minute', rate_limit_per_minute, 'tokens_per_minute',
         tokens_per_minute, 'max_concurrency', max_concurrency) AS limits FROM tenants ORDER BY id`,
    )
    assert.deepEqual(rows, [
      ...TIERS.map((name) => ({ name, limits: TIER_LIMITS[name] })),
      { name: 'own', limits: { rate_limit_per_minute: null, tokens_per_minute: null, max_concurrency: 7 } },
    ])
  } finally {
    await postgres.end()
  }
})
