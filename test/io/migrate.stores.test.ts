import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { freePort } from '../../src/io/embedded/free-port.js'
import {
  MigrationError,
  migrateClickHouse,
  migratePostgres,
  postgresVersion,
  readMigrations,
  waitForVersion,
} from '../../src/io/migrate.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createPostgres } from '../../src/io/postgres.js'
import { freshClickHouse, freshDatabase } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'

async function files(folder: string, content: Record<string, string>): Promise<string> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [name, text] of Object.entries(content)) await writeFile(join(folder, name), text)
  return folder
}

/** Expects a MigrationError of one line. */
function migrationError(pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof MigrationError, String(error))
    assert.match(error.message, pattern)
    assert.doesNotMatch(error.message, /\n/)
    return true
  }
}

test('applies files in order, once, and tells the version', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  const pool = createPostgres({ url: database.url })
  try {
    assert.equal(await postgresVersion(pool), 0)
    const first = { '0001-one.sql': 'CREATE TABLE one (n int); INSERT INTO one VALUES (1);' }
    const directory = await files(folder.path, first)
    const migrate = () => migratePostgres({ url: database.url, directory })
    assert.deepEqual(await migrate(), { applied: ['0001-one.sql'], version: 1 })
    assert.deepEqual(await migrate(), { applied: [], version: 1 })

    const waiting = waitForVersion({ pool, version: 2, timeoutMs: 20_000 })
    await files(folder.path, { ...first, '0002-two.sql': 'ALTER TABLE one ADD m int' })
    assert.deepEqual(await migrate(), { applied: ['0002-two.sql'], version: 2 })
    await waiting
    assert.equal(await postgresVersion(pool), 2)
    const { rows } = await pool.query('SELECT n, m FROM one')
    assert.deepEqual(rows, [{ n: 1, m: null }])
  } finally {
    await pool.end()
  }
})

test('leaves nothing of a failing file and names it with the reason', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  const directory = await files(folder.path, {
    '0001-good.sql': 'CREATE TABLE good (n int)',
    '0002-bad.sql': 'CREATE TABLE half (n int);\nINSERT INTO good VALUES (1);\nSELECT * FROM nowhere;',
    '0003-never.sql': 'CREATE TABLE never (n int)',
  })
  const migrate = () => migratePostgres({ url: database.url, directory })
  const expected = /^migration 0002-bad\.sql: relation "nowhere" does not exist \(42P01\), line 3$/
  await assert.rejects(migrate(), migrationError(expected))
  const pool = createPostgres({ url: database.url })
  try {
    const { rows } = await pool.query("SELECT to_regclass('half') AS half, to_regclass('never') AS never")
    assert.deepEqual(rows, [{ half: null, never: null }])
    assert.deepEqual((await pool.query('SELECT * FROM good')).rows, [])
    assert.equal(await postgresVersion(pool), 1)
  } finally {
    await pool.end()
  }
  await writeFile(join(directory, '0002-bad.sql'), 'CREATE TABLE whole (n int)')
  assert.deepEqual((await migrate()).applied, ['0002-bad.sql', '0003-never.sql'])
})

test('refuses changed files, gaps, odd names and a database newer than the files', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  const migrate = (content: Record<string, string>) =>
    files(folder.path, content).then((directory) => migratePostgres({ url: database.url, directory }))
  await migrate({ '0001-a.sql': 'SELECT 1', '0002-b.sql': 'SELECT 2' })
  const rejects = (content: Record<string, string>, pattern: RegExp) =>
    assert.rejects(migrate(content), migrationError(pattern))
  await rejects({ '0001-a.sql': 'SELECT 1', '0002-b.sql': 'SELECT 3' }, /0002-b\.sql: the file was changed/)
  await rejects(
    { '0001-a.sql': 'SELECT 1' },
    /at version 2 \(0002-b\.sql\), newer than this build, which knows 1$/,
  )
  await rejects({ '0001-a.sql': 'SELECT 1', '0003-c.sql': 'SELECT 3' }, /0003-c\.sql: .* expected 0002/)
  await rejects({ '0001-a.sql': 'SELECT 1', '0001-b.sql': 'SELECT 3' }, /0001-b\.sql: .* expected 0002/)
  await rejects({ '0001_a.sql': 'SELECT 1' }, /0001_a\.sql/)
})

test('says so when Postgres cannot be reached or the version does not come', async () => {
  await using folder = await temporaryFolder()
  const directory = await files(folder.path, { '0001-a.sql': 'SELECT 1' })
  const url = `postgres://postgres@127.0.0.1:${await freePort()}/none`
  await assert.rejects(migratePostgres({ url, directory }), migrationError(/need Postgres: .*ECONNREFUSED/))
  const pool = createPostgres({ url })
  await assert.rejects(waitForVersion({ pool, version: 1, timeoutMs: 300 }), migrationError(/version 1/))
  await pool.end()
})

test('applies ClickHouse files once and goes on after a failing one', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  await using store = await freshClickHouse()
  const clickhouse = createClickHouse({ url: store.url })
  const migrate = (content: Record<string, string>) =>
    files(folder.path, content).then((directory) =>
      migrateClickHouse({ clickhouse, postgresUrl: database.url, directory }),
    )
  const table = 'CREATE TABLE IF NOT EXISTS t (s String) -- a; b\nENGINE = MergeTree ORDER BY s;\n'
  try {
    const bad = {
      '0001-t.sql': table,
      '0002-bad.sql': 'CREATE TABLE IF NOT EXISTS u (n Nonsense) ENGINE = Memory',
    }
    await assert.rejects(migrate(bad), migrationError(/^migration 0002-bad\.sql: .*Nonsense/))
    const good = { ...bad, '0002-bad.sql': "CREATE VIEW IF NOT EXISTS v AS SELECT ';' AS s" }
    assert.deepEqual(await migrate(good), { applied: ['0002-bad.sql'], version: 2 })
    assert.deepEqual(await migrate(good), { applied: [], version: 2 })
    const two = { ...good, '0003-two.sql': 'SELECT 1; SELECT 2' }
    await assert.rejects(migrate(two), migrationError(/0003-two\.sql: must hold one statement and holds 2/))
    await assert.rejects(
      migrate({ '0001-t.sql': `${table} `, '0002-bad.sql': '' }),
      migrationError(/0002-bad/),
    )
    await assert.rejects(
      migrate({ '0001-t.sql': `${table} ` }),
      migrationError(/0001-t\.sql: the file was changed/),
    )
  } finally {
    await clickhouse.close()
  }
})

test('lets many processes migrate at once: each file is applied by exactly one', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  await using store = await freshClickHouse()
  const numbers = ['0001', '0002', '0003']
  const postgres = await files(
    join(folder.path, 'postgres'),
    Object.fromEntries(
      numbers.map((n) => [`${n}-pg.sql`, `CREATE TABLE t${n} AS SELECT 1 AS n FROM pg_sleep(0.1)`]),
    ),
  )
  const clickhouse = await files(
    join(folder.path, 'clickhouse'),
    Object.fromEntries(
      // Not idempotent, so that a second application would fail.
      numbers.map((n) => [`${n}-ch.sql`, `CREATE TABLE t${n} (n UInt8) ENGINE = MergeTree ORDER BY n`]),
    ),
  )
  const program = fileURLToPath(new URL('../support/migrator.js', import.meta.url))
  const applied = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const args = [program, database.url, postgres, store.url, clickhouse]
      return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout) as string[]
    }),
  )
  const expected = numbers.flatMap((n) => [`${n}-ch.sql`, `${n}-pg.sql`])
  assert.deepEqual(applied.flat().sort(), expected)
})

test("applies the product's own schemas", async () => {
  await using database = await freshDatabase()
  await using store = await freshClickHouse()
  const clickhouse = createClickHouse({ url: store.url })
  const postgresDirectory = join(packageRoot, 'sql/postgres/migrations')
  const clickhouseDirectory = join(packageRoot, 'sql/clickhouse/migrations')
  try {
    const postgres = await migratePostgres({ url: database.url, directory: postgresDirectory })
    assert.equal(postgres.applied.length, (await readMigrations(postgresDirectory)).length)
    const options = { clickhouse, postgresUrl: database.url, directory: clickhouseDirectory }
    const usage = await migrateClickHouse(options)
    assert.equal(usage.applied.length, (await readMigrations(clickhouseDirectory)).length)
  } finally {
    await clickhouse.close()
  }
})
