import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ClickHouseError } from '@clickhouse/client'
import type { ClickHouseClient } from '@clickhouse/client'
import { createClickHouse } from '../../../src/io/clickhouse.js'
import { startEmbeddedClickHouse } from '../../../src/io/embedded/clickhouse.js'
import type { EmbeddedStore } from '../../../src/io/embedded/keep-running.js'
import { holdStore } from '../../support/held-store.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: EmbeddedStore
let client: ClickHouseClient

before(async () => {
  folder = await temporaryFolder()
  store = await startEmbeddedClickHouse({ dataDir: join(folder.path, 'clickhouse') })
  client = createClickHouse({ url: store.url })
})

after(async () => {
  await client.close()
  await store.stop()
  await folder[Symbol.asyncDispose]()
})

async function rows(query: string, on = client): Promise<unknown[]> {
  return (await on.query({ query, format: 'JSONEachRow' })).json()
}

/** A plain request, as curl would send it. */
async function send(path: string, init: RequestInit & { anonymous?: boolean } = {}): Promise<Response> {
  const url = new URL(store.url)
  const credentials = Buffer.from(`${url.username}:${url.password}`).toString('base64')
  return fetch(`http://${url.host}${path}`, {
    ...init,
    headers: { ...(init.anonymous ? {} : { authorization: `Basic ${credentials}` }), ...init.headers },
  })
}

async function freshTable(columns = 'n UInt64, s String'): Promise<string> {
  const table = `t${Math.random().toString(36).slice(2)}`
  await client.command({
    query: `CREATE TABLE ${table} (${columns}) ENGINE = MergeTree ORDER BY tuple()
            SETTINGS non_replicated_deduplication_window = 1000`,
  })
  return table
}

test('answers the official client: ping, command, insert, query, exec', async () => {
  assert.equal((await client.ping()).success, true)
  assert.equal((await client.ping({ select: true })).success, true)
  const table = await freshTable()
  await client.insert({ table, values: [{ n: 1, s: "a'b\\c\n;\t" }], format: 'JSONEachRow' })
  await client.insert({ table, values: Readable.from([{ n: 2, s: 'ü' }]), format: 'JSONEachRow' })
  await client.insert({ table, columns: ['n'], values: [[3]], format: 'JSONCompactEachRow' })
  await client.insert({ table, values: Readable.from([]), format: 'JSONEachRow' })
  assert.deepEqual(await rows(`SELECT * FROM ${table} ORDER BY n`), [
    { n: 1, s: "a'b\\c\n;\t" },
    { n: 2, s: 'ü' },
    { n: 3, s: '' },
  ])
  const exec = await client.exec({ query: `SELECT count() FROM ${table} FORMAT CSV` })
  assert.equal(Buffer.concat(await exec.stream.toArray()).toString(), '3\n')
  assert.equal(exec.summary?.read_rows, '1')
})

test('binds query parameters on the side of the engine', async () => {
  const params = { n: 7, s: "o'b\\n\n\t{n:UInt8}", missing: null, list: ["a'b", 'c,d'], id: 'numbers' }
  const result = await client.query({
    query: 'SELECT {n:UInt64} n, {s:String} s, {missing:Nullable(String)} missing, {list:Array(String)} list',
    query_params: params,
    format: 'JSONEachRow',
  })
  const { id: _id, ...expected } = params
  assert.deepEqual(await result.json(), [expected])
  await assert.rejects(rows('SELECT {n:UInt64}'), { code: '456' })
})

test('reports errors in the form of ClickHouse', async () => {
  const expect = async (query: string, status: number, code: number, type: string) => {
    const reply = await send('/', { method: 'POST', body: query })
    assert.equal(reply.status, status, query)
    assert.equal(reply.headers.get('x-clickhouse-exception-code'), String(code))
    assert.match(await reply.text(), new RegExp(`^Code: ${code}\\. DB::Exception: [^]*\\(${type}\\)`))
    await assert.rejects(client.command({ query }), (error) => {
      assert.ok(error instanceof ClickHouseError)
      assert.equal(error.code, String(code))
      assert.equal(error.type, type)
      return true
    })
  }
  await expect('selec 1', 400, 62, 'SYNTAX_ERROR')
  await expect('SELECT * FROM nowhere', 404, 60, 'UNKNOWN_TABLE')
  await expect('SELECT 1 SETTINGS nonsense = 1', 404, 115, 'UNKNOWN_SETTING')
  await expect('SELECT throwIf(1)', 500, 395, 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO')
  assert.equal((await send('/?nonsense=1', { method: 'POST', body: 'SELECT 1' })).status, 404)
  assert.equal((await send('/nowhere')).status, 404)
})

test('lets in nobody without the password', async () => {
  const open = await send('/', { method: 'POST', body: 'SELECT 1', anonymous: true })
  assert.equal(open.status, 403)
  assert.match(await open.text(), /^Code: 516\..*\(AUTHENTICATION_FAILED\)/)
  assert.equal((await send('/ping', { anonymous: true })).status, 200)
  const { username, password } = new URL(store.url)
  for (const headers of [{ 'x-clickhouse-user': username, 'x-clickhouse-key': password }]) {
    const reply = await send('/', { method: 'POST', body: 'SELECT 1', anonymous: true, headers })
    assert.equal(await reply.text(), '1\n')
  }
  const query = `user=${username}&password=${password}&query=SELECT%202`
  assert.equal(await (await send(`/?${query}`, { anonymous: true })).text(), '2\n')
})

test('takes the statement from URL, body or both, unpacks bodies and honours formats', async () => {
  const table = await freshTable('n UInt64')
  const text = async (path: string, init?: RequestInit) => {
    const reply = await send(path, init)
    assert.equal(reply.status, 200, path)
    return reply.text()
  }
  const statement = encodeURIComponent(`INSERT INTO ${table} FORMAT CSV`)
  await text(`/?query=${statement}`, { method: 'POST', body: '1\n2\n' })
  const headers = { 'content-encoding': 'gzip' }
  await text(`/?query=${statement}`, { method: 'POST', body: gzipSync('3\n'), headers })
  await text('/', { method: 'POST', body: `INSERT INTO ${table} VALUES (4)` })
  assert.equal(await text(`/?query=SELECT+sum(n)+FROM+${table}`), '10\n')
  assert.equal(await text('/?query=SELECT+1+AS+x&default_format=JSONEachRow'), '{"x":1}\n')
  assert.equal(await text('/?database=system&query=SELECT+currentDatabase()'), 'system\n')
  assert.equal(await text('/'), 'Ok.\n')
  const reply = await send('/?query=SELECT+1+FORMAT+JSON&query_id=mine')
  assert.equal(reply.headers.get('x-clickhouse-format'), 'JSON')
  assert.equal(reply.headers.get('x-clickhouse-query-id'), 'mine')
  assert.match(reply.headers.get('content-type') ?? '', /^application\/json/)
})

test('refuses what it does not know: sessions, writing by GET, binary bodies, odd encodings', async () => {
  const table = await freshTable('n UInt64')
  const status = async (path: string, init?: RequestInit) => (await send(path, init)).status
  assert.equal(await status('/?session_id=1', { method: 'POST', body: 'SELECT 1' }), 501)
  assert.equal(await status(`/?query=INSERT+INTO+${table}+VALUES+(1)`), 500)
  assert.deepEqual(await rows(`SELECT * FROM ${table}`), [])
  const body = Buffer.from([0xff, 0xfe])
  assert.equal(await status(`/?query=INSERT+INTO+${table}+FORMAT+RowBinary`, { method: 'POST', body }), 400)
  const headers = { 'content-encoding': 'snappy' }
  assert.equal(await status('/', { method: 'POST', body: 'SELECT 1', headers }), 501)
})

test('drops an insert whose deduplication token it has seen', async () => {
  const table = await freshTable('n UInt64')
  const insert = (n: number, token: string) =>
    client.insert({
      table,
      values: [{ n }],
      format: 'JSONEachRow',
      clickhouse_settings: { insert_deduplication_token: token },
    })
  await insert(1, 'a')
  await insert(1, 'a')
  await insert(2, 'b')
  assert.deepEqual(await rows(`SELECT n FROM ${table} ORDER BY n`), [{ n: 1 }, { n: 2 }])
})

test('keeps settings, parameters and databases of one call away from every other', async () => {
  const table = await freshTable('n UInt64')
  await Promise.all(
    Array.from({ length: 120 }, async (_, n) => {
      switch (n % 4) {
        case 0: // Each without a token: all of them stay.
          return client.insert({ table, values: [{ n }], format: 'JSONEachRow' })
        case 1: // All with one token: one of them stays.
          return client.insert({
            table,
            values: [{ n }],
            format: 'JSONEachRow',
            clickhouse_settings: { insert_deduplication_token: 'same' },
          })
        case 2: {
          const result = await client.query({
            query: "SELECT {n:UInt64} AS n, getSetting('max_threads') AS threads, currentDatabase() AS db",
            query_params: { n },
            format: 'JSONEachRow',
            clickhouse_settings: { max_threads: 1 + (n % 3) },
          })
          return assert.deepEqual(await result.json(), [{ n, threads: 1 + (n % 3), db: 'default' }])
        }
        default: {
          const reply = await send(`/?database=system&query=SELECT+currentDatabase()`)
          return assert.equal(await reply.text(), 'system\n')
        }
      }
    }),
  )
  assert.deepEqual(
    await rows(`SELECT countIf(n % 4 = 0) AS plain, countIf(n % 4 = 1) AS same FROM ${table}`),
    [{ plain: 30, same: 1 }],
  )
})

test('answers pings while statements run', async () => {
  const slow = Array.from({ length: 12 }, () => rows('SELECT sleep(3)'))
  let pings = 0
  let running = true
  const all = Promise.all(slow).then(() => (running = false))
  while (running) {
    const { status } = await send('/ping', { anonymous: true })
    assert.equal(status, 200)
    // One that waited for the statements would come after them.
    if (running) pings++
  }
  await all
  assert.ok(pings >= 3, `${pings} pings`)
})

test('bounds the memory of a statement and lives on', async () => {
  const [bounds] = (await rows("SELECT getSetting('max_memory_usage') AS bytes")) as [{ bytes: number }]
  assert.ok(bounds.bytes >= 512 * 1024 * 1024)
  const greedy =
    "SELECT groupArray(repeat('x', 1000)) FROM numbers(100000000) SETTINGS max_memory_usage = 100000000"
  await assert.rejects(rows(greedy), { type: 'MEMORY_LIMIT_EXCEEDED' })
  assert.deepEqual(await rows('SELECT 1 AS one'), [{ one: 1 }])
})

test('ignores the signals of a terminal', async () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(store.pid, signal)
  assert.deepEqual(await rows('SELECT 1 AS one'), [{ one: 1 }])
})

test('keeps what was acknowledged when its process is killed, and comes back at the same address', async () => {
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS survives' })
  await client.command({
    query: `CREATE TABLE survives.t (n UInt64) ENGINE = MergeTree ORDER BY n
            SETTINGS non_replicated_deduplication_window = 1000`,
  })
  const acknowledged = new Set<number>()
  for (let round = 0; round < 3; round++) {
    const { pid } = store
    const inserting = (async () => {
      for (let n = round * 1_000; ; n++) {
        await client.insert({
          table: 'survives.t',
          values: [{ n }],
          format: 'JSONEachRow',
          clickhouse_settings: { insert_deduplication_token: `n${n}` },
        })
        acknowledged.add(n)
      }
    })()
    await eventually('some inserts', () => [...acknowledged].some((n) => n >= round * 1_000 + 10))
    process.kill(pid, 'SIGKILL')
    await assert.rejects(inserting)
    await eventually('another engine', () => store.pid !== pid)
  }
  const found = (await rows('SELECT n FROM survives.t')) as { n: number }[]
  const present = new Set(found.map(({ n }) => n))
  assert.deepEqual(
    [...acknowledged].filter((n) => !present.has(n)),
    [],
  )
  assert.equal(found.length, present.size, 'no row twice')
  // At most the insert that was under way in each round was made without being acknowledged.
  assert.ok(found.length <= acknowledged.size + 3)
  // Tokens are remembered across the crash.
  const first = Math.min(...acknowledged)
  await client.insert({
    table: 'survives.t',
    values: [{ n: first }],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `n${first}` },
  })
  assert.deepEqual(await rows(`SELECT count() AS c FROM survives.t WHERE n = ${first}`), [{ c: 1 }])
})

test('ends with a killed predecessor, and the next one waits for the folder and finds the data', async () => {
  await using place = await temporaryFolder()
  const dataDir = join(place.path, 'clickhouse')
  const held = await holdStore('clickhouse', dataDir)
  const before = createClickHouse({ url: held.url })
  await before.command({ query: 'CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n' })
  await before.insert({ table: 't', values: [{ n: 1 }], format: 'JSONEachRow' })
  // Something to wait for: this statement is still running when the successor starts.
  const slow = before.query({ query: 'SELECT sleep(2)' }).catch(() => {})
  await held.killHolder()
  await using next = await startEmbeddedClickHouse({ dataDir })
  assert.equal(await isAlive(held.pid), false)
  await slow
  await before.close()
  const after = createClickHouse({ url: next.url })
  assert.deepEqual(await rows('SELECT n FROM t', after), [{ n: 1 }])
  await after.close()
})
