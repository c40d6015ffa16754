import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import pino from 'pino'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { keepExplanations } from '../../src/io/explanation-ttl.js'
import { explanationLine } from '../../src/core/explanation-line.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { migrateStores } from '../../src/io/start-stores.js'
import { createExplanationSink } from '../../src/proxy/explanations.js'
import { startFlusherThread } from '../../src/workers/usage-flush-thread.js'
import { startClickHouseGate } from '../support/clickhouse-gate.js'
import { servedRequest } from '../support/explanations.js'
import { numberedId } from '../support/spool.js'
import { startStores } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { freshUsageStore } from '../support/usage-store.js'

function startThread(dataDir: string, clickhouseUrl: string) {
  const directory = join(dataDir, 'spool')
  mkdirSync(directory)
  return startFlusherThread({
    directory,
    liveEpoch: null,
    adoptedDirectories: [],
    clickhouseUrl,
    logLevel: 'silent',
    processName: 'test',
    logger: pino({ level: 'silent' }),
  })
}

test('every explanation reaches ClickHouse through the thread, once the store is back as well', async () => {
  await using store = await freshUsageStore()
  await using gate = await startClickHouseGate(store.url)
  await using folder = await temporaryFolder()
  await using thread = startThread(folder.path, gate.url)
  const metrics = createProxyMetrics('proxy-0')
  const sink = createExplanationSink({
    perSecond: 10_000,
    store: (rows) => thread.storeExplanations(rows),
    now: () => performance.now(),
    metrics,
  })
  gate.mode = 'refuse'
  for (let i = 0; i < 1_500; i++) sink.record(servedRequest(i))
  const row = explanationLine(servedRequest(0), 1)
  assert.equal(await thread.storeExplanations([row]), 'failed')
  gate.mode = 'open'
  for (let i = 1_500; i < 2_500; i++) sink.record(servedRequest(i))
  assert.equal(await sink.close(20_000), true)
  const [count] = await store.rows(
    'SELECT count() AS rows, uniqExact(request_id) AS requests FROM request_explanations',
  )
  assert.deepEqual(count, { rows: 2_500, requests: 2_500 })
  assert.equal(metrics.explanationsDropped.value, 0)
  const [one] = await store.rows(
    `SELECT tenant_id, served_model, status, e2e_micros, JSONExtractInt(explanation, 'phases', 'streamMicros') AS stream
     FROM request_explanations WHERE request_id = '${numberedId(2_499)}'`,
  )
  assert.deepEqual(one, {
    tenant_id: servedRequest(0).tenantId,
    served_model: 'llama-3.1-8b-instruct',
    status: 200,
    e2e_micros: 1_040_800,
    stream: 1_000_000,
  })
})

test('rows that ClickHouse will never take are told apart from a store that is away', async () => {
  await using store = await freshUsageStore()
  await using folder = await temporaryFolder()
  await using thread = startThread(folder.path, store.url)
  const bad = explanationLine(servedRequest(1), 1).replace(numberedId(1), 'no-uuid')
  assert.equal(await thread.storeExplanations([bad]), 'refused')
  assert.equal(await thread.storeExplanations([explanationLine(servedRequest(1), 1)]), 'stored')
  await thread.stop(1_000)
  assert.equal(await thread.storeExplanations([explanationLine(servedRequest(2), 1)]), 'failed')
})

test('explanations are kept for as many days as are set, those that are there already too', async () => {
  await using store = await freshUsageStore()
  const ttl = async () => {
    const [table] = await store.rows(
      "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'request_explanations'",
    )
    return /toIntervalDay\((\d+)\)/.exec(String(table?.['engine_full']))?.[1]
  }
  const mutations = async () =>
    (await store.rows('SELECT * FROM system.mutations WHERE database = currentDatabase()')).length
  assert.equal(await ttl(), '7')
  await keepExplanations(store.clickhouse, 7)
  assert.equal(await mutations(), 0)

  const days = (ago: number) => ({ startedAtMicros: (Date.now() - ago * 86_400_000) * 1000 })
  const lines = [1, 3, 20].map((ago) => explanationLine(servedRequest(ago, days(ago)), 1))
  await store.clickhouse.command({ query: 'SYSTEM STOP MERGES request_explanations' })
  await store.clickhouse.command({
    query: `INSERT INTO request_explanations SETTINGS input_format_json_read_objects_as_strings = 1 FORMAT JSONEachRow\n${lines.join('\n')}`,
  })
  await store.clickhouse.command({ query: 'SYSTEM START MERGES request_explanations' })
  await keepExplanations(store.clickhouse, 30)
  assert.equal(await ttl(), '30')
  await keepExplanations(store.clickhouse, 2)
  assert.equal(await ttl(), '2')
  await store.clickhouse.command({ query: 'OPTIMIZE TABLE request_explanations FINAL' })
  const left = await store.rows('SELECT request_id FROM request_explanations')
  assert.deepEqual(left, [{ request_id: numberedId(1) }])
})

test('the migration of the stores sets how long explanations are kept', async () => {
  await using stores = await startStores({ redis: false })
  const { databaseUrl, clickhouseUrl } = stores
  const urls = { databaseUrl, migrationDatabaseUrl: databaseUrl, redisUrl: null, clickhouseUrl }
  await migrateStores(urls, pino({ level: 'silent' }), 3)
  const clickhouse = createClickHouse({ url: clickhouseUrl })
  try {
    const query = 'SHOW CREATE TABLE request_explanations'
    const shown = await (await clickhouse.query({ query, format: 'TabSeparatedRaw' })).text()
    assert.match(shown, /toIntervalDay\(3\)/)
  } finally {
    await clickhouse.close()
  }
})
