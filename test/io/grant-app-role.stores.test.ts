import assert from 'node:assert/strict'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pool } from 'pg'
import { migratePostgres, MigrationError } from '../../src/io/migrate.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createPostgres } from '../../src/io/postgres.js'
import { migratedDatabase } from '../support/migrated-database.js'
import { freshDatabase } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MIGRATIONS = join(packageRoot, 'sql/postgres/migrations')

const CHANGES = [
  "UPDATE audit_log SET actor = 'somebody else'",
  'DELETE FROM audit_log',
  'TRUNCATE audit_log',
]

const insert = (pool: Pool) =>
  pool.query(
    `INSERT INTO audit_log (id, actor, action, target_type, target_id, request_id, address)
     VALUES (gen_random_uuid(), 'admin:root', 'tenant.create', 'tenant', '1', 'r', '127.0.0.1')`,
  )
const entries = async (pool: Pool) => (await pool.query('SELECT FROM audit_log')).rowCount

test("the app's role adds to the audit log and reads it, and can do nothing else with it", async () => {
  await using database = await migratedDatabase()
  const { app } = database
  await insert(app)
  assert.equal(await entries(app), 1)
  const more = [
    'DROP TABLE audit_log',
    'ALTER TABLE audit_log DISABLE TRIGGER ALL',
    'DROP TRIGGER audit_log_append_only ON audit_log',
    'CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    'DROP INDEX audit_log_at',
    "SET session_replication_role = 'replica'",
    'CREATE TABLE mine (n int)',
    "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (id) DO UPDATE SET actor = 'x'",
  ]
  // A warning, and nothing is given.
  await app.query('GRANT ALL ON audit_log TO CURRENT_USER')
  for (const text of [...CHANGES, ...more]) {
    await assert.rejects(
      app.query(text),
      /permission denied|must be (?:able to SET ROLE|owner)|no privileges/,
      text,
    )
  }
  assert.equal(await entries(app), 1)
})

test('of what has been migrated the app reads the list and may not change it', async () => {
  await using database = await migratedDatabase()
  const { rowCount } = await database.app.query('SELECT FROM schema_migrations')
  assert.ok((rowCount ?? 0) > 0)
  await assert.rejects(database.app.query('DELETE FROM schema_migrations'), /permission denied/)
})

test('whoever else it is, the owner and a replica too, is refused by the trigger', async () => {
  await using database = await migratedDatabase()
  const { postgres: owner } = database
  await insert(owner)
  for (const text of [...CHANGES, "UPDATE audit_log SET actor = 'x' WHERE false"]) {
    await assert.rejects(owner.query(text), /the audit log is append-only: \w+ is refused/, text)
  }
  const client = await owner.connect()
  try {
    await client.query("SET session_replication_role = 'replica'")
    for (const text of CHANGES) await assert.rejects(client.query(text), /append-only/, text)
  } finally {
    client.release(true)
  }
  assert.equal(await entries(owner), 1)
})

test('the owner removes what is past its time as docs/operations.md says', async () => {
  await using database = await migratedDatabase()
  const { postgres: owner } = database
  await insert(owner)
  await owner.query(`BEGIN;
    ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only;
    DELETE FROM audit_log WHERE at < now() + interval '1 day';
    ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
    COMMIT`)
  assert.equal(await entries(owner), 0)
  await assert.rejects(owner.query('DELETE FROM audit_log'), /append-only/)
})

test('tables of later migrations are given to the app as well, whatever role it has become', async () => {
  await using folder = await temporaryFolder()
  await using database = await freshDatabase()
  const directory = join(folder.path, 'migrations')
  await cp(MIGRATIONS, directory, { recursive: true })
  // As an earlier version ran: one role for everything.
  const { applied, version } = await migratePostgres({ url: database.url, directory })
  assert.ok(applied.length > 0)
  const app = createPostgres({ url: database.appUrl })
  try {
    await assert.rejects(app.query('SELECT FROM tenants'), /permission denied/)
    const migrate = () => migratePostgres({ url: database.url, appUrl: database.appUrl, directory })
    await migrate()
    await app.query('SELECT FROM tenants')
    const next = `${String(version + 1).padStart(4, '0')}-later.sql`
    await writeFile(join(directory, next), 'CREATE TABLE later (id bigserial PRIMARY KEY, n int)')
    assert.deepEqual((await migrate()).applied, [next])
    await app.query('INSERT INTO later (n) VALUES (1)')
    await app.query('UPDATE later SET n = 2')
    await app.query('DELETE FROM later')
    await assert.rejects(app.query('TRUNCATE later'), /permission denied/)
  } finally {
    await app.end()
    await rm(directory, { recursive: true, force: true })
  }
})

test('rights on the audit log that an operator gave the app are taken back', async () => {
  await using database = await migratedDatabase()
  await database.postgres.query('GRANT ALL ON audit_log TO test_app')
  await migratePostgres({ url: database.url, appUrl: database.appUrl, directory: MIGRATIONS })
  for (const text of CHANGES) await assert.rejects(database.app.query(text), /permission denied/)
})

/** The lines that a migration warns with. */
async function warnings(urls: { url: string; appUrl?: string }): Promise<unknown[]> {
  const { createLogger } = await import('../../src/io/logger.js')
  const logger = createLogger({ level: 'silent', process: 'test' })
  const lines: unknown[] = []
  const listening = Object.assign(Object.create(logger) as typeof logger, {
    warn: (line: unknown) => lines.push(line),
  })
  await migratePostgres({ ...urls, directory: MIGRATIONS, logger: listening })
  return lines
}

test('a start says when the audit log is protected by its trigger alone', async () => {
  await using database = await migratedDatabase()
  assert.deepEqual(await warnings({ url: database.url, appUrl: database.appUrl }), [])
  const unprotected = [{ event: 'audit_log_unprotected', role: 'postgres' }]
  assert.deepEqual(await warnings({ url: database.url }), unprotected)
  assert.deepEqual(await warnings({ url: database.url, appUrl: database.url }), unprotected)
  await database.postgres.query('GRANT DELETE ON audit_log TO PUBLIC')
  const granted = [{ event: 'audit_log_unprotected', role: 'test_app' }]
  assert.deepEqual(await warnings({ url: database.url, appUrl: database.appUrl }), granted)
})

test('an app that cannot connect stops the start with the reason', async () => {
  await using database = await freshDatabase()
  const appUrl = new URL(database.appUrl)
  appUrl.password = 'wrong'
  await assert.rejects(
    migratePostgres({ url: database.url, appUrl: appUrl.href, directory: MIGRATIONS }),
    (error: unknown) =>
      error instanceof MigrationError && /DATABASE_URL cannot connect: .*password/.test(error.message),
  )
})
