import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { z } from 'zod'
import { createLogger } from '../../src/io/logger.js'
import { pruneSpend, spendSince, writeSpend } from '../../src/io/tenant-spend.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { lookAtSpend, watchSpend } from '../../src/workers/spend-watch.js'
import { startLeaderThread } from '../../src/workers/leader-thread.js'
import { migratedDatabase } from '../support/migrated-database.js'
import { eventually } from '../support/processes.js'
import { numberedId } from '../support/spool.js'
import { freshUsageStore, recordUsage, type UsageRow, type UsageStore } from '../support/usage-store.js'

const logger = createLogger({ level: 'silent', process: 'test' })
const NOW = Date.now()
const WITH = numberedId(1)
const WITHOUT = numberedId(2)
const DELETED = numberedId(3)
const OTHER = numberedId(4)
/** testOutcome's: (80 × 0.15 + 20 × 0.075 + 50 × 0.6 dollars) / 1 million. */
const COST_NANOS = 43_500

/** Months relative to the present one. */
function monthStart(months: number): number {
  const now = new Date(NOW)
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months)
}
const monthOf = (ms: number) => new Date(ms).toISOString().slice(0, 7)
const firstDay = (months: number) => `${monthOf(monthStart(months))}-01`

async function makeTenants(postgres: Pool): Promise<void> {
  await postgres.query(
    `INSERT INTO tenants (id, name, email, tier, status, deleted_at, max_monthly_spend_micros)
     SELECT id, 'T', id || '@example.com', 'enterprise', CASE WHEN gone THEN 'deleted' ELSE 'active' END,
       CASE WHEN gone THEN now() END, budget
     FROM unnest($1::uuid[], $2::boolean[], $3::bigint[]) AS t (id, gone, budget)`,
    [
      [WITH, WITHOUT, DELETED, OTHER],
      [false, false, true, false],
      [1_000_000, null, 1_000_000, 1_000_000],
    ],
  )
}

let requests = 0
/** So many requests of a tenant that ended then. */
async function use(store: UsageStore, tenantId: string, count: number, endedAt: number): Promise<void> {
  const rows = Array.from({ length: count }, (): UsageRow => [
    { tenantId, requestId: numberedId(1_000 + ++requests) },
    { endedAtMicros: endedAt * 1000 },
  ])
  await recordUsage(store, rows)
}

async function stored(postgres: Pool): Promise<unknown[]> {
  const { rows } = await postgres.query<object>(
    `SELECT tenant_id, to_char(month, 'YYYY-MM-DD') AS month, spent_nanos::int FROM tenant_spend
     ORDER BY tenant_id, month`,
  )
  return rows.map((row): unknown[] => Object.values(row))
}

test('what tenants with a budget have been billed this month is written down, and never falls', async () => {
  await using database = await migratedDatabase()
  await using store = await freshUsageStore()
  await makeTenants(database.postgres)
  // As the product runs: the role of the app may do all of it.
  const { app } = database
  const never = new AbortController().signal
  const look = () =>
    lookAtSpend({ postgres: app, clickhouse: store.clickhouse, logger, now: () => NOW }, never)

  await look()
  assert.deepEqual(await stored(app), [])
  await use(store, WITH, 3, monthStart(0))
  await use(store, WITH, 2, monthStart(0) - 1)
  await use(store, WITHOUT, 1, NOW)
  await use(store, DELETED, 1, NOW)
  // The month before is over unless this is the first day of the present one.
  const firstOfMonth = new Date(NOW).getUTCDate() === 1
  const before = firstOfMonth ? [[WITH, firstDay(-1), 2 * COST_NANOS]] : []
  await look()
  assert.deepEqual(await stored(app), [...before, [WITH, firstDay(0), 3 * COST_NANOS]])

  const updatedAt = async () =>
    (await app.query<object>('SELECT xmin, ctid FROM tenant_spend ORDER BY month')).rows
  const unchanged = await updatedAt()
  await look()
  assert.deepEqual(await updatedAt(), unchanged, 'rows that do not change are not written')

  await use(store, WITH, 1, NOW)
  await look()
  assert.deepEqual(await stored(app), [...before, [WITH, firstDay(0), 4 * COST_NANOS]])

  await store.clickhouse.command({ query: 'TRUNCATE TABLE usage_by_hour' })
  await use(store, WITH, 1, NOW)
  await look()
  assert.deepEqual(await stored(app), [...before, [WITH, firstDay(0), 4 * COST_NANOS]])
})

test('on the first day of a month late records of the one before still count', async () => {
  await using database = await migratedDatabase()
  await using store = await freshUsageStore()
  await makeTenants(database.postgres)
  await use(store, WITH, 2, monthStart(0) - 1)
  await use(store, WITH, 1, monthStart(0))
  const look = (now: number) =>
    lookAtSpend(
      { postgres: database.app, clickhouse: store.clickhouse, logger, now: () => now },
      new AbortController().signal,
    )
  await look(monthStart(0) + 86_400_000)
  assert.deepEqual(await stored(database.app), [[WITH, firstDay(0), COST_NANOS]])
  await look(monthStart(0) + 86_399_999)
  assert.deepEqual(await stored(database.app), [
    [WITH, firstDay(-1), 2 * COST_NANOS],
    [WITH, firstDay(0), COST_NANOS],
  ])
})

test('a reading of what was spent has the amounts that changed since the one before', async () => {
  await using database = await migratedDatabase()
  const { app } = database
  await makeTenants(database.postgres)
  const none = await spendSince(app, null)
  assert.equal(none.spent.size, 0)
  assert.ok(Math.abs(none.at.getTime() - Date.now()) < 60_000)

  const month = monthOf(NOW)
  const beyond = '9007199254740993000'
  await writeSpend(app, [
    { tenantId: WITH, month: firstDay(0), spentNanos: '5' },
    { tenantId: WITH, month: firstDay(-1), spentNanos: '9' },
    { tenantId: OTHER, month: firstDay(0), spentNanos: beyond },
  ])
  const all = await spendSince(app, null)
  assert.deepEqual(all.spent.get(WITH), { month, nanos: 5 })
  assert.deepEqual(all.spent.get(OTHER), { month, nanos: Number(beyond) })

  await database.postgres.query(
    `UPDATE tenant_spend SET updated_at = now() - interval '1 minute' WHERE tenant_id = $1`,
    [WITH],
  )
  assert.deepEqual([...(await spendSince(app, all.at)).spent.keys()], [OTHER])
  await writeSpend(app, [{ tenantId: WITH, month: firstDay(0), spentNanos: '6' }])
  assert.deepEqual((await spendSince(app, all.at)).spent.get(WITH), { month, nanos: 6 })
  // A lower amount, and one of a tenant that does not exist, are passed over.
  await writeSpend(app, [
    { tenantId: WITH, month: firstDay(0), spentNanos: '1' },
    { tenantId: numberedId(99), month: firstDay(0), spentNanos: '1' },
  ])
  assert.deepEqual((await spendSince(app, null)).spent.get(WITH), { month, nanos: 6 })
})

test('months are forgotten a year after their end', async () => {
  await using database = await migratedDatabase()
  await makeTenants(database.postgres)
  await writeSpend(
    database.app,
    [-13, -12, 0].map((months) => ({ tenantId: WITH, month: firstDay(months), spentNanos: '5' })),
  )
  await pruneSpend(database.app)
  assert.deepEqual(
    await stored(database.app),
    [-12, 0].map((months) => [WITH, firstDay(months), 5]),
  )
})

test('while ClickHouse is away the watch goes on, and says so once', async () => {
  await using database = await migratedDatabase()
  await makeTenants(database.postgres)
  await using store = await freshUsageStore()
  await use(store, WITH, 1, NOW)
  const away = createClickHouse({ url: 'http://127.0.0.1:9' })
  let asked = 0
  const events: unknown[] = []
  const stopping = new AbortController()
  const watching = watchSpend(
    {
      postgres: database.app,
      get clickhouse() {
        return ++asked <= 2 ? away : store.clickhouse
      },
      logger: pino(
        {},
        { write: (line) => events.push(z.object({ event: z.string() }).parse(JSON.parse(line)).event) },
      ),
      now: Date.now,
    },
    stopping.signal,
  )
  await eventually('the spend is written', async () => (await stored(database.app)).length === 1)
  stopping.abort()
  await watching
  await away.close()
  assert.deepEqual(events, ['spend_watch_interrupted', 'spend_watch_recovered'])
})

test('the leader watches what is spent', async () => {
  await using database = await migratedDatabase()
  await using store = await freshUsageStore()
  await makeTenants(database.postgres)
  await use(store, WITH, 1, NOW)
  await using _leader = startLeaderThread({
    databaseUrl: database.appUrl,
    clickhouseUrl: store.url,
    redisUrl: null,
    logLevel: 'silent',
    orchestration: null,
    processName: 'test',
    logger,
  })
  await eventually('the spend is written', async () => (await stored(database.app)).length === 1)
})
