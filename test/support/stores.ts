/**
 * Disposable stores for tests. `test/run.ts` starts one Postgres, one ClickHouse and one Redis for the whole run and
 * names them in the environment; a test file run by hand starts its own on first use. Either way every fixture gets
 * a database that nobody else sees.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import type { EmbeddedStore } from '../../src/io/embedded/keep-running.js'
import { startEmbeddedPostgres } from '../../src/io/embedded/postgres.js'
import { startEmbeddedRedis } from '../../src/io/embedded/redis.js'
import { asApp, makeAppRole } from './app-role.js'
import { temporaryFolder } from './temporary-folder.js'

/** Starts a store of this test file on first use and stops it after the file's last test. */
function ownStore(start: (dataDir: string) => Promise<EmbeddedStore>): () => Promise<string> {
  let starting: Promise<string> | undefined
  const stop: (() => PromiseLike<void>)[] = []
  after(async () => {
    await starting?.catch(() => {})
    for (const step of stop.reverse()) await step()
  })
  return () =>
    (starting ??= (async () => {
      const folder = await temporaryFolder()
      stop.push(() => folder[Symbol.asyncDispose]())
      const store = await start(join(folder.path, 'store'))
      stop.push(() => store.stop())
      return store.url
    })())
}

const ownPostgres = ownStore((dataDir) => startEmbeddedPostgres({ dataDir, fsync: false }))
const ownClickHouse = ownStore((dataDir) => startEmbeddedClickHouse({ dataDir }))

function randomName(): string {
  return `test_${randomBytes(6).toString('hex')}`
}

/** The same server, another database. */
function withDatabase(url: string, database: string): string {
  const parsed = new URL(url)
  parsed.pathname = `/${database}`
  return parsed.href
}

export interface FreshDatabase extends AsyncDisposable {
  readonly url: string
  /** The same database as a role that owns nothing and has no rights there yet. */
  readonly appUrl: string
}

/**
 * A Postgres database, empty or a copy. Disposal drops it, and fails when somebody still has a connection to it: a pool
 * that was not ended.
 * @param template the database to copy
 */
export async function freshDatabase(template = 'template1'): Promise<FreshDatabase> {
  const server = process.env['TEST_DATABASE_URL'] ?? (await ownPostgres())
  const name = randomName()
  await withClient(server, async (client) => {
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
    await makeAppRole(client)
  })
  const url = withDatabase(server, name)
  return {
    url,
    appUrl: asApp(url),
    [Symbol.asyncDispose]: () =>
      withClient(server, async (client) => {
        const leaked = await connectionsLeft(client, name)
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
        if (leaked.length > 0) throw new Error(`connections left open to the database: ${leaked.join(', ')}`)
      }),
  }
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** What is connected to a database, by application. A connection that was just closed gets time to go. */
async function connectionsLeft(client: Client, database: string): Promise<string[]> {
  const deadline = performance.now() + 15_000
  for (;;) {
    const { rows } = await client.query<{ application_name: string }>(
      "SELECT application_name FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
      [database],
    )
    if (rows.length === 0 || performance.now() > deadline) return rows.map((row) => row.application_name)
    await sleep(50)
  }
}

export interface FreshClickHouse extends AsyncDisposable {
  /** With the database in its path. */
  readonly url: string
  readonly database: string
}

/** An empty ClickHouse database, dropped on disposal. */
export async function freshClickHouse(): Promise<FreshClickHouse> {
  const server = process.env['TEST_CLICKHOUSE_URL'] ?? (await ownClickHouse())
  const database = randomName()
  const run = async (query: string) => {
    const client = createClickHouse({ url: server })
    await client.command({ query }).finally(() => client.close())
  }
  await run(`CREATE DATABASE ${database}`)
  return {
    url: withDatabase(server, database),
    database,
    [Symbol.asyncDispose]: () => run(`DROP DATABASE ${database} SYNC`),
  }
}

export interface FreshRedis extends AsyncDisposable {
  readonly url: string
  readonly pid: number
}

/** A Redis server of its own, empty. Starts in some 50 ms. */
export async function freshRedis(): Promise<FreshRedis> {
  const folder = await temporaryFolder()
  const redis = await startEmbeddedRedis({ dataDir: join(folder.path, 'redis') })
  if (redis === null) {
    await folder[Symbol.asyncDispose]()
    throw new Error('this test needs redis-server; install it with: apt-get install redis-server')
  }
  return {
    url: redis.url,
    get pid() {
      return redis.pid
    },
    async [Symbol.asyncDispose]() {
      await redis.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

export interface Stores extends AsyncDisposable {
  readonly databaseUrl: string
  readonly clickhouseUrl: string
  /** Null when the test asked for none. */
  readonly redisUrl: string | null
}

/** One of each, all empty and this test's own. */
export async function startStores({ redis = true }: { redis?: boolean } = {}): Promise<Stores> {
  const opened: AsyncDisposable[] = []
  const open = async <T extends AsyncDisposable>(opening: Promise<T>): Promise<T> => {
    const store = await opening
    opened.push(store)
    return store
  }
  const close = async () => {
    const failures: unknown[] = []
    for (const store of opened.reverse()) {
      try {
        await store[Symbol.asyncDispose]()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }
  try {
    return {
      databaseUrl: (await open(freshDatabase())).url,
      clickhouseUrl: (await open(freshClickHouse())).url,
      redisUrl: redis ? (await open(freshRedis())).url : null,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
