import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { freePort } from '../../src/io/embedded/free-port.js'
import { createPostgres, loadQuery, transaction } from '../../src/io/postgres.js'
import { freshDatabase } from '../support/stores.js'

async function withPool(work: (pool: Pool) => Promise<void>, statementTimeoutMs = 5_000): Promise<void> {
  await using database = await freshDatabase()
  const pool = createPostgres({ url: database.url, max: 2, statementTimeoutMs })
  try {
    await work(pool)
  } finally {
    await pool.end()
  }
}

test('commits a transaction that resolves and rolls back one that throws', () =>
  withPool(async (pool) => {
    await pool.query('CREATE TABLE t (n int)')
    const result = await transaction(pool, async (client) => {
      await client.query('INSERT INTO t VALUES (1)')
      return 'done'
    })
    assert.equal(result, 'done')
    const failing = transaction(pool, async (client) => {
      await client.query('INSERT INTO t VALUES (2)')
      throw new Error('changed my mind')
    })
    await assert.rejects(failing, /changed my mind/)
    assert.deepEqual((await pool.query('SELECT n FROM t')).rows, [{ n: 1 }])
    assert.equal(pool.idleCount, pool.totalCount)
  }))

test('survives the loss of its connections, idle or in a transaction', () =>
  withPool(async (pool) => {
    const failing = transaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
      await sleep(50)
      await client.query('SELECT 1')
    })
    await assert.rejects(failing)
    // Now an idle one.
    const other = await pool.connect()
    await pool.query('SELECT 1')
    await other.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    other.release()
    await sleep(50)
    assert.deepEqual((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  }))

test('gives up statements that take too long, and the wait for a connection', () =>
  withPool(async (pool) => {
    await assert.rejects(pool.query('SELECT pg_sleep(60)'), /statement timeout|Query read timeout/)
    assert.deepEqual((await pool.query('SHOW statement_timeout')).rows, [{ statement_timeout: '200ms' }])
  }, 200))

test('fails soon when there is no server', async () => {
  const pool = createPostgres({ url: `postgres://postgres@127.0.0.1:${await freePort()}/none` })
  await assert.rejects(pool.query('SELECT 1'), /ECONNREFUSED/)
  await pool.end()
})

test('loads queries by name only', () => {
  assert.match(loadQuery('tenants-get'), /SELECT/i)
  for (const name of ['../queries/tenants-get', '/etc/passwd', ''])
    assert.throws(() => loadQuery(name), /not the name/)
  assert.throws(() => loadQuery('no-such-query'), /ENOENT/)
})

test('a fixture fails when a pool was left open', async () => {
  const database = await freshDatabase()
  const pool = createPostgres({ url: database.url, applicationName: 'forgotten' })
  pool.on('error', () => {})
  await pool.query('SELECT 1')
  await assert.rejects(async () => database[Symbol.asyncDispose](), /left open to the database: forgotten/)
  await pool.end()
})
