import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { StoreOutcome } from '../../src/core/explanation.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { createExplanationSink } from '../../src/proxy/explanations.js'
import { servedRequest } from '../support/explanations.js'
import { numberedId } from '../support/spool.js'

const Row = z.object({
  request_id: z.string(),
  status: z.number(),
  explanation: z.object({ sampledAt: z.number() }),
})

/** A sink over a store of the test's own. */
function openSink(perSecond: number) {
  const metrics = createProxyMetrics('proxy-0')
  const rows: z.infer<typeof Row>[] = []
  let outcome: StoreOutcome | 'hang' = 'stored'
  let nowMs = 0
  const sink = createExplanationSink({
    perSecond,
    store: async (lines) => {
      if (outcome === 'hang') return new Promise<never>(() => {})
      if (outcome === 'stored') rows.push(...lines.map((line) => Row.parse(JSON.parse(line))))
      return Promise.resolve(outcome)
    },
    now: () => nowMs,
    metrics,
  })
  return {
    sink,
    metrics,
    rows,
    answer: (next: StoreOutcome | 'hang') => (outcome = next),
    pass: (ms: number) => (nowMs += ms),
  }
}

const failed = (number: number) =>
  servedRequest(number, { status: 503, errorCode: 'no_healthy_node', attempts: [] })

test('nothing is lost while the store answers, however it is cut into batches', async () => {
  const { sink, rows, metrics, pass } = openSink(10_000)
  for (let i = 0; i < 25_000; i++) {
    if (i % 1000 === 0) {
      await sleep(0)
      pass(1000)
    }
    sink.record(servedRequest(i))
  }
  assert.equal(await sink.close(1_000), true)
  assert.deepEqual(
    rows.map(({ request_id }) => request_id),
    Array.from({ length: 25_000 }, (_, i) => numberedId(i)),
  )
  assert.equal(metrics.explanationsDropped.value, 0)
})

test('while the store is away what is held is bounded, the oldest give way, and the rest is stored afterwards', async () => {
  const { sink, rows, metrics, answer } = openSink(10_000)
  answer('failed')
  for (let i = 0; i < 30_000; i++) {
    if (i % 1000 === 0) await sleep(0)
    sink.record(servedRequest(i))
  }
  answer('stored')
  assert.equal(await sink.close(2_000), true)
  assert.ok(rows.length >= 9_000 && rows.length <= 10_000, String(rows.length))
  assert.equal(rows.at(-1)?.request_id, numberedId(29_999))
  assert.equal(metrics.explanationsDropped.value, 30_000 - rows.length)
})

test('rows that are refused stop no others', async () => {
  const { sink, rows, metrics, answer } = openSink(10_000)
  answer('refused')
  // Small ones, so that they make one batch.
  for (let i = 0; i < 1_000; i++) sink.record(failed(i))
  await sleep(0)
  answer('stored')
  sink.record(servedRequest(1_000))
  assert.equal(await sink.close(1_000), true)
  assert.deepEqual([rows.length, metrics.explanationsDropped.value], [1, 1_000])
})

test('closing waits for a store that hangs no longer than the deadline, and takes nothing more', async () => {
  const { sink, metrics, answer } = openSink(10)
  answer('hang')
  sink.record(servedRequest(1))
  assert.equal(await sink.close(50), false)
  sink.record(servedRequest(2))
  assert.equal(metrics.explanationsDropped.value, 1)
})

test('a flood of plain requests is sampled, unusual ones are all kept beside it up to ten times the rate', async () => {
  const { sink, rows, pass } = openSink(5)
  for (let i = 0; i < 1_000; i++) {
    pass(1)
    if (sink.sample()) sink.record(servedRequest(i))
    if (i % 25 === 0) sink.record(failed(100_000 + i))
  }
  await sink.close(1_000)
  const plain = rows.filter(({ status }) => status === 200)
  const unusual = rows.filter(({ status }) => status === 503)
  assert.ok(plain.length >= 5 && plain.length <= 10, String(plain.length))
  const share = plain.at(-1)?.explanation.sampledAt ?? 1
  assert.ok(share > 0 && share < 0.02, String(share))
  assert.equal(unusual.length, 40)
  assert.ok(unusual.every(({ explanation }) => explanation.sampledAt === 1))
})

test('a flood of refusals is bounded too, and its share is told', async () => {
  const { sink, rows } = openSink(5)
  for (let i = 0; i < 1_000; i++) sink.record(failed(i))
  await sink.close(1_000)
  assert.equal(rows.length, 50)
  assert.ok((rows.at(-1)?.explanation.sampledAt ?? 0) > 0)
})

test('a rate of 0 keeps nothing', async () => {
  const { sink, rows } = openSink(0)
  assert.equal(sink.sample(), false)
  sink.record(failed(1))
  assert.equal(await sink.close(1_000), true)
  assert.deepEqual(rows, [])
})
