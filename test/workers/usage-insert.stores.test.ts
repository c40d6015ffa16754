import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordLine } from '../../src/core/usage-line.js'
import { ENGINE_PID_FILE } from '../../src/io/embedded/clickhouse-messages.js'
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import { RowsRefusedError } from '../../src/workers/insert-rows.js'
import { insertUsage } from '../../src/workers/usage-insert.js'
import { eventually } from '../support/processes.js'
import { testIdentity, testOutcome } from '../support/spool.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { freshUsageStore, type UsageStore, usageStoreAt } from '../support/usage-store.js'

function batchOf(lines: readonly string[]): { body: Buffer; token: string } {
  const body = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  return { body, token: createHash('sha256').update(body).digest('hex') }
}

function insert(store: UsageStore, lines: readonly string[]): Promise<void> {
  return insertUsage(store.clickhouse, batchOf(lines), new AbortController().signal)
}

/** Requests in the table, and in each rollup. */
async function counts(store: UsageStore): Promise<unknown[]> {
  const [row] = await store.rows(
    'SELECT (SELECT count() FROM usage_records) AS records,' +
      ' (SELECT sum(requests) FROM usage_by_minute) AS minutes,' +
      ' (SELECT sum(requests) FROM usage_by_hour) AS hours,' +
      ' (SELECT sum(requests) FROM usage_by_node) AS nodes',
  )
  return Object.values(row ?? {})
}

test('the same batch three times makes one set of rows in the table and in its rollups', async () => {
  await using store = await freshUsageStore()
  const one = Array.from({ length: 50 }, (_, i) => recordLine(testIdentity(i), testOutcome()).toString())
  const other = Array.from({ length: 50 }, (_, i) =>
    recordLine(testIdentity(i + 50), testOutcome()).toString(),
  )
  await insert(store, one)
  await insert(store, one)
  assert.deepEqual(await counts(store), [50, 50, 50, 50])
  await insert(store, other)
  await insert(store, one)
  assert.deepEqual(await counts(store), [100, 100, 100, 100])
})

test('a batch that was taken before ClickHouse died is not taken again, in no rollup, also right after the first start', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'clickhouse')
  const engine = await startEmbeddedClickHouse({ dataDir })
  try {
    await using store = await usageStoreAt(engine.url)
    const lines = Array.from({ length: 20 }, (_, i) => recordLine(testIdentity(i), testOutcome()).toString())
    await insert(store, lines)
    process.kill(Number(await readFile(join(dataDir, ENGINE_PID_FILE), 'utf8')), 'SIGKILL')
    await eventually('it is back', () =>
      insert(store, lines).then(
        () => true,
        () => false,
      ),
    )
    assert.deepEqual(await counts(store), [20, 20, 20, 20])
  } finally {
    await engine.stop()
  }
})

test('a batch that spans months is deduplicated in each of them', async () => {
  await using store = await freshUsageStore()
  const days = [0, 5, 10, 40, 70, 100]
  const lines = days.map((day, i) =>
    recordLine(
      testIdentity(i),
      testOutcome({ endedAtMicros: (Date.now() - day * 86_400_000) * 1000 }),
    ).toString(),
  )
  await insert(store, lines)
  await insert(store, lines)
  const [records, minutes, hours] = await counts(store)
  assert.deepEqual([records, hours], [6, 6])
  // The minutes keep a fortnight.
  assert.ok(Number(minutes) >= 3 && Number(minutes) <= 6)
})

test('rows that can never be taken are told from a store that is away', async () => {
  await using store = await freshUsageStore()
  const good = recordLine(testIdentity(1), testOutcome()).toString()
  for (const bad of [
    'no JSON',
    good.slice(0, -20),
    good.replace('"status":200', '"status":"x"'),
    good.replace('"status":200', '"status":-1.5'),
    good.replace('"prompt_tokens":100', '"prompt_tokens":[]'),
    good.replace('"stream":true', '"stream":"perhaps"'),
    good.replace(/"request_id":"[^"]*"/, '"request_id":"1"'),
    good.replace(/"ended_at":"[^"]*"/, '"ended_at":"soon"'),
    good.replace('"model":"', '"model":"\\ud800'),
  ]) {
    await assert.rejects(insert(store, [good, bad]), RowsRefusedError, bad)
  }
  assert.deepEqual(await counts(store), [0, 0, 0, 0])
  await store.clickhouse.command({ query: 'DROP TABLE usage_records' })
  await assert.rejects(insert(store, [good]), (error) => !(error instanceof RowsRefusedError))
})
