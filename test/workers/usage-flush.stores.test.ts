import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { costNanos } from '../../src/core/pricing.js'
import { recordLine } from '../../src/core/usage-line.js'
import { openSpool, type Spool } from '../../src/proxy/spool.js'
import { startUsageFlusher, type UsageBacklog, type UsageFlusher } from '../../src/workers/usage-flush.js'
import { startFlusherThread } from '../../src/workers/usage-flush-thread.js'
import { startClickHouseGate, type GateMode } from '../support/clickhouse-gate.js'
import {
  TestEntry,
  nowMicros,
  numberedId,
  segmentFiles,
  temporaryDirectory,
  testIdentity,
  testOutcome,
} from '../support/spool.js'
import { freshUsageStore, type UsageStore } from '../support/usage-store.js'

const flusherScript = fileURLToPath(new URL('../support/usage-flusher.js', import.meta.url))
const processScript = fileURLToPath(new URL('../support/spool-and-flusher.js', import.meta.url))
const silent = pino({ level: 'silent' })

function open(directory: string, segmentBytes = 64 * 1024): Spool {
  return openSpool({
    directory,
    now: nowMicros,
    onError: (error) => {
      throw error
    },
    segmentBytes,
  })
}

/** Runs `ended` requests to their end and leaves `lost` ones open, with 7 completion tokens each. */
async function writeRequests(spool: Spool, first: number, ended: number, lost = 0): Promise<void> {
  const entries = Array.from({ length: ended + lost }, (_, i) => new TestEntry(testIdentity(first + i)))
  for (const entry of entries) spool.begin(entry)
  await Promise.all(entries.map(({ answer }) => answer))
  for (const entry of entries) {
    entry.completionTokens = 7
    spool.progress(entry)
  }
  spool.flushNow()
  for (const entry of entries.slice(0, ended)) spool.end(entry, recordLine(entry.identity, testOutcome()))
  spool.flushNow()
}

function flush(
  directory: string,
  store: { url: string },
  over: { liveEpoch?: string; onBacklog?: (b: UsageBacklog) => void } = {},
) {
  const clickhouse = createClickHouse({ url: store.url })
  const flusher = startUsageFlusher({
    directory,
    liveEpoch: null,
    clickhouse,
    logger: silent,
    now: Date.now,
    intervalMs: 20,
    ...over,
  })
  return {
    ...flusher,
    [Symbol.asyncDispose]: async () => {
      await flusher.stop(0)
      await clickhouse.close()
    },
  } satisfies UsageFlusher
}

/** Flushes until nothing is left. */
async function drain(directory: string, store: { url: string }): Promise<void> {
  await using flusher = flush(directory, store)
  assert.equal(await flusher.stop(30_000), true)
}

const ENDED_COST = costNanos(testOutcome(), testIdentity(0).prices)
const LOST_COST = costNanos(
  { promptTokens: 10, cachedTokens: 0, completionTokens: 7 },
  testIdentity(0).prices,
)

/** The table and both rollups hold exactly these requests. */
async function assertBilled(store: UsageStore, ended: number, lost = 0): Promise<void> {
  const [row] = await store.rows(
    'SELECT count() AS rows, uniqExact(request_id) AS requests, sum(completion_tokens) AS tokens,' +
      " sum(cost_nanos) AS cost, countIf(error_code = 'gateway_lost') AS lost FROM usage_records",
  )
  const tokens = ended * testOutcome().completionTokens + lost * 7
  const cost = Number(ENDED_COST) * ended + Number(LOST_COST) * lost
  assert.deepEqual({ ...row }, { rows: ended + lost, requests: ended + lost, tokens, cost, lost })
  for (const period of ['minute', 'hour']) {
    const [rollup] = await store.rows(
      'SELECT sum(requests) AS rows, sum(completion_tokens) AS tokens, sum(cost_nanos) AS cost,' +
        ` sum(failed_requests) AS failed, arraySum(mapValues(sumMap(e2e_histogram))) AS latencies FROM usage_by_${period}`,
    )
    assert.deepEqual(
      { ...rollup },
      { rows: ended + lost, tokens, cost, failed: lost, latencies: ended + lost },
    )
  }
}

test('ended requests arrive once, lost ones are billed by their last progress', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  await writeRequests(spool, 0, 300, 5)
  await spool.close()
  await drain(directory.path, store)
  await assertBilled(store, 300, 5)
  const [lost] = await store.rows(
    "SELECT status, counted, prompt_tokens, dateDiff('microsecond', started_at, ended_at) = e2e_micros AS timed" +
      " FROM usage_records WHERE error_code = 'gateway_lost' LIMIT 1",
  )
  assert.deepEqual({ ...lost }, { status: 502, counted: 'estimated', prompt_tokens: 10, timed: 1 })
  await drain(directory.path, store)
  await assertBilled(store, 300, 5)
})

test('a spool is flushed while it is written, segment after segment', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  await using flusher = flush(directory.path, store, { liveEpoch: spool.epoch })
  for (let round = 0; round < 30; round++) {
    await writeRequests(spool, round * 20, 20)
    await sleep(10)
  }
  await writeRequests(spool, 600, 0, 4)
  await spool.close()
  assert.ok(segmentFiles(directory.path).length > 3)
  assert.equal(await flusher.stop(30_000), true)
  await assertBilled(store, 600)
  // The next process finds the four as lost.
  await drain(directory.path, store)
  await assertBilled(store, 600, 4)
})

test('a request that outlives the segments which saw its begin is billed once', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path, 8 * 1024)
  await writeRequests(spool, 0, 0, 2)
  await using flusher = flush(directory.path, store, { liveEpoch: spool.epoch })
  for (let round = 1; round < 10; round++) await writeRequests(spool, round * 100, 20)
  assert.equal(await flusher.stop(30_000), true)
  await spool.close()
  await drain(directory.path, store)
  await assertBilled(store, 180, 2)
})

test('a torn tail is cut off and its request billed as lost', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path, 1024 * 1024)
  await writeRequests(spool, 0, 10)
  await spool.close()
  const [file = ''] = segmentFiles(directory.path)
  const path = join(directory.path, file)
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, bytes.length - 100))
  await drain(directory.path, store)
  await assertBilled(store, 9, 1)
})

test('rows wait in the spool while ClickHouse is away and arrive when it is back', async () => {
  await using store = await freshUsageStore()
  await using gate = await startClickHouseGate(store.url)
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  gate.mode = 'refuse'
  let backlog: UsageBacklog | null = null
  await using flusher = flush(directory.path, gate, {
    liveEpoch: spool.epoch,
    onBacklog: (heard) => {
      backlog = heard
    },
  })
  await writeRequests(spool, 0, 100)
  while (gate.inserts < 2) await sleep(20)
  await writeRequests(spool, 100, 100)
  const heard = backlog as UsageBacklog | null
  assert.ok(heard !== null && heard.bytes > 0 && heard.oldestAgeMs > 0 && heard.failedInserts > 0)
  gate.mode = 'open'
  await spool.close()
  assert.equal(await flusher.stop(30_000), true)
  await assertBilled(store, 200)
})

test('a stop that cannot deliver says so at its deadline and loses nothing', async () => {
  await using store = await freshUsageStore()
  await using gate = await startClickHouseGate(store.url)
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  await writeRequests(spool, 0, 50)
  await spool.close()
  gate.mode = 'swallow-request'
  {
    await using flusher = flush(directory.path, gate)
    assert.equal(await flusher.stop(300), false)
  }
  await drain(directory.path, store)
  await assertBilled(store, 50)
})

test('a row that ClickHouse refuses is put aside and holds up no other', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  await writeRequests(spool, 0, 40)
  const poison = new TestEntry(testIdentity(1000))
  spool.begin(poison)
  await poison.answer
  spool.end(
    poison,
    Buffer.from(
      recordLine(poison.identity, testOutcome({ status: 70_000 }))
        .toString()
        .replace('"status":70000', '"status":"?"'),
    ),
  )
  await writeRequests(spool, 40, 40)
  await spool.close()
  await drain(directory.path, store)
  await assertBilled(store, 80)
  const aside = readFileSync(join(directory.path, 'quarantine.ndjson'), 'utf8').trimEnd().split('\n')
  assert.equal(aside.length, 1)
  assert.match(aside[0] ?? '', /"status":"\?"/)
})

test('directories of slots that are gone are flushed, too', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  using orphan = temporaryDirectory()
  for (const [index, path] of [directory.path, orphan.path].entries()) {
    const spool = open(path)
    await writeRequests(spool, index * 100, 10, 1)
    await spool.close()
  }
  await using clickhouse = createClickHouse({ url: store.url })
  await using flusher = startUsageFlusher({
    directory: directory.path,
    adoptedDirectories: [orphan.path, join(orphan.path, 'missing')],
    liveEpoch: null,
    clickhouse,
    logger: silent,
    now: Date.now,
  })
  assert.equal(await flusher.stop(30_000), true)
  await assertBilled(store, 20, 2)
})

test('segments are kept for an hour, then removed, except what is still needed', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const dead = open(directory.path, 8 * 1024)
  await writeRequests(dead, 0, 40, 1)
  await dead.close()
  const live = open(directory.path, 8 * 1024)
  await writeRequests(live, 100, 40, 1)
  let now = Date.now()
  const once = async () => {
    await using clickhouse = createClickHouse({ url: store.url })
    await using flusher = startUsageFlusher({
      directory: directory.path,
      liveEpoch: live.epoch,
      clickhouse,
      logger: silent,
      now: () => now,
    })
    assert.equal(await flusher.stop(30_000), true)
  }
  await once()
  const before = segmentFiles(directory.path)
  assert.ok(before.filter((file) => file.startsWith(dead.epoch)).length > 2)
  now += 3_599_000
  await once()
  assert.deepEqual(segmentFiles(directory.path), before)
  now += 2_000
  await once()
  // The position stands at the last row, which need not be in the last segment.
  const kept = segmentFiles(directory.path)
  assert.ok(kept.length <= 2)
  assert.deepEqual(kept, before.slice(-kept.length))
  await live.close()
  await drain(directory.path, store)
  await assertBilled(store, 80, 2)
})

test('a state file that cannot be understood stops the directory instead of billing twice', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  await writeRequests(spool, 0, 10)
  await spool.close()
  writeFileSync(join(directory.path, 'flush-state.json'), '{"version":1')
  await using flusher = flush(directory.path, store)
  assert.equal(await flusher.stop(200), false)
  await assertBilled(store, 0)
})

test('twenty kill -9s between insert and commit: no row twice, none missing', async () => {
  await using store = await freshUsageStore()
  await using gate = await startClickHouseGate(store.url)
  using directory = temporaryDirectory()
  const modes: GateMode[] = ['withhold-answer', 'withhold-answer', 'withhold-answer', 'swallow-request']
  let requests = 0
  for (let round = 0; round < 20; round++) {
    const spool = open(directory.path)
    await writeRequests(spool, requests, 25, 3)
    requests += 28
    await spool.close()
    gate.mode = modes[round % modes.length] ?? 'open'
    // The batch left by the round before is sent first, then this round's, then its lost requests.
    gate.skip = round % 3
    const held = gate.held()
    const child = spawn(process.execPath, [flusherScript, directory.path, gate.url], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await held
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  gate.mode = 'open'
  await drain(directory.path, store)
  await assertBilled(store, 20 * 25, 20 * 3)
  assert.ok(!existsSync(join(directory.path, 'quarantine.ndjson')))
})

test('what else lies in the directory is left alone', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  appendFileSync(join(directory.path, 'notes.txt'), 'mine')
  const spool = open(directory.path)
  await writeRequests(spool, 0, 3)
  await spool.close()
  await drain(directory.path, store)
  await assertBilled(store, 3)
  assert.ok(readdirSync(directory.path).includes('notes.txt'))
})

test('the flusher runs in a thread of its own', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  let sent = 0
  await using thread = startFlusherThread({
    directory: directory.path,
    liveEpoch: spool.epoch,
    adoptedDirectories: [],
    clickhouseUrl: store.url,
    logLevel: 'silent',
    processName: 'test',
    logger: silent,
    onBacklog: ({ rowsSent }) => {
      sent = rowsSent
    },
  })
  await writeRequests(spool, 0, 30)
  while (sent < 30) await sleep(20)
  await writeRequests(spool, 30, 30)
  await spool.close()
  assert.equal(await thread.stop(30_000), true)
  await assertBilled(store, 60)
})

test('kill -9 of the whole process at any moment: one row for each request that was begun', async () => {
  await using store = await freshUsageStore()
  using directory = temporaryDirectory()
  const told: string[] = []
  for (let round = 0; round < 8; round++) {
    const args = [processScript, directory.path, store.url, String(round * 1_000_000 + 1)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(child.stdout, 'data')
    await sleep(100 + round * 90)
    child.kill('SIGKILL')
    await once(child, 'close')
    told.push(...output.split('\n').slice(0, -1))
  }
  await drain(directory.path, store)
  const rows = await store.rows('SELECT request_id, count() AS rows FROM usage_records GROUP BY request_id')
  const billed = new Map(rows.map(({ request_id, rows }) => [request_id, rows]))
  assert.ok(told.length > 100)
  for (const number of told) assert.equal(billed.get(numberedId(Number(number))), 1, `request ${number}`)
  assert.ok([...billed.values()].every((count) => count === 1))
  // Killed between the begin and its telling: billed as well, at most one for each of the twenty clients a round.
  assert.ok(billed.size >= told.length && billed.size <= told.length + 8 * 20)
  const [rollup] = await store.rows('SELECT sum(requests) AS requests FROM usage_by_hour')
  assert.equal(rollup?.['requests'], billed.size)
})
