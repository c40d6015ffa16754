import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LoadBook, MISSED_FOR_MS, REPORT_FOR_MS } from '../../src/core/load-book.js'
import {
  decodeLoadReport,
  encodeLoadReport,
  type LoadReport,
  type ModelReport,
  type NodeReport,
} from '../../src/core/load-report.js'
import { RecentTtft, TTFT_BUCKETS, ttftQuantile } from '../../src/core/recent-ttft.js'

const MOST_BYTES = 7_900
const count = fc.integer({ min: 0, max: 10_000 })
const millis = fc.option(fc.integer({ min: 0, max: 1_000_000 }).map((tenths) => tenths / 10))
const report: fc.Arbitrary<NodeReport> = fc.record(
  {
    nodeId: fc.uuid(),
    inFlight: count,
    ttftMs: millis,
    itlMs: millis,
    breaker: fc.constantFrom('admitting', 'rejecting', 'probing'),
    ended: count,
    failed: count,
  },
  { noNullPrototype: true },
)

const modelReports: fc.Arbitrary<ModelReport> = fc.record(
  {
    modelId: fc.uuid(),
    waiting: count,
    lastRequestAtMs: fc.option(fc.maxSafeNat()),
    ttft: fc.array(fc.tuple(fc.nat(TTFT_BUCKETS - 1), count), { maxLength: TTFT_BUCKETS }),
  },
  { noNullPrototype: true },
)

/** A report of the process `p` that says nothing, but for the changes. */
function reportOf(changes: Partial<LoadReport> = {}): LoadReport {
  return { process: 'p', sequence: 1, nodes: [], models: [], isLast: false, ...changes }
}

function modelReport(changes: Partial<ModelReport> = {}): ModelReport {
  return { modelId: 'm', waiting: 0, lastRequestAtMs: null, ttft: [], ...changes }
}

function nodeReport(nodeId: string, changes: Partial<NodeReport> = {}): NodeReport {
  const nothing = { ttftMs: null, itlMs: null, breaker: 'admitting', ended: 0, failed: 0 } as const
  return { nodeId, inFlight: 0, ...nothing, ...changes }
}

test('a report is split into messages that the bus takes, and read back as it was', () => {
  fc.assert(
    fc.property(
      fc.array(report, { maxLength: 400 }),
      fc.array(modelReports, { maxLength: 40 }),
      count,
      fc.boolean(),
      (nodes, models, sequence, isLast) => {
        const process = 'proxy-0:é'
        const messages = encodeLoadReport({ process, sequence, nodes, models, isLast }, MOST_BYTES)
        const read = messages.map((message) => {
          assert.ok(Buffer.byteLength(message) <= MOST_BYTES)
          const decoded = decodeLoadReport(message)
          assert.ok(decoded !== null)
          assert.deepEqual([decoded.process, decoded.sequence, decoded.isLast], [process, sequence, isLast])
          return decoded
        })
        assert.deepEqual(
          read.flatMap((message) => message.nodes),
          nodes,
        )
        assert.deepEqual(
          read.flatMap((message) => message.models),
          models,
        )
      },
    ),
    { numRuns: 30 },
  )
})

test('a message that is none is no report, and never an error', () => {
  const [good = ''] = encodeLoadReport(
    reportOf({ nodes: [nodeReport('a')], models: [modelReport({ ttft: [[1, 1]] })] }),
    MOST_BYTES,
  )
  assert.notEqual(decodeLoadReport(good), null)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.equal(decodeLoadReport(text), null)
    }),
  )
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.string(), (at, text) => {
      decodeLoadReport(good.slice(0, at) + text + good.slice(at + 1))
    }),
  )
  for (const bad of [
    good.replace('"sequence":1', '"sequence":-1'),
    good.replace('["a",0', '["a",-1'),
    good.replace('["a",0', '["a",0.5'),
    good.replace('admitting', 'open'),
    good.replace('[[1,1]]', `[[${TTFT_BUCKETS},1]]`),
    good.replace('["m",0', '["m",-1'),
    good.replace('false', '0'),
  ]) {
    assert.notEqual(bad, good)
    assert.equal(decodeLoadReport(bad), null)
  }
})

test('a report of a process of another version is understood as far as both know it', () => {
  const [good = ''] = encodeLoadReport(reportOf({ nodes: [nodeReport('a')], models: [] }), MOST_BYTES)
  const expected = decodeLoadReport(good)
  assert.notEqual(expected, null)
  const newer = good.replace('"sequence":1', '"sequence":1,"more":1')
  const older = good.replace(',"isLast":false', '').replace(',"models":[]', '').replace('"isLast":false,', '')
  for (const other of [newer, older]) {
    assert.notEqual(other, good)
    assert.deepEqual(decodeLoadReport(other), expected)
  }
})

test('the requests of a process that died are gone after two seconds', () => {
  const book = new LoadBook('self')
  book.take(reportOf({ process: 'other', sequence: 1, nodes: [nodeReport('a', { inFlight: 3 })] }), 0)
  assert.equal(book.inFlight('a', REPORT_FOR_MS), 3)
  assert.equal(book.inFlight('a', REPORT_FOR_MS + 1), 0)
  assert.equal(book.view('a', REPORT_FOR_MS + 1), null)
  book.sweep(REPORT_FOR_MS + 1)
  assert.equal(book.inFlight('a', 0), 0)
})

test('our own reports and those that are overtaken are not counted', () => {
  const book = new LoadBook('self')
  const say = (process: string, sequence: number, inFlight: number) =>
    book.take(reportOf({ process, sequence, nodes: [nodeReport('a', { inFlight })] }), 0)
  assert.equal(say('self', 1, 9), false)
  assert.equal(say('other', 2, 4), true)
  assert.equal(say('other', 1, 7), false)
  assert.equal(say('third', 1, 1), true)
  assert.equal(book.inFlight('a', 0), 5)
})

test('lost, repeated and reordered messages leave the last that came right, and all is right after the next', () => {
  const delivery = fc.record({ process: fc.nat(2), sequence: fc.nat(20), afterMs: fc.nat(500) })
  fc.assert(
    fc.property(
      fc.array(fc.nat(50), { minLength: 63, maxLength: 63 }),
      fc.array(delivery),
      (counts, deliveries) => {
        const book = new LoadBook(null)
        const newest = new Map<number, { sequence: number; at: number }>()
        const inFlightOf = (process: number, sequence: number) => counts[process * 21 + sequence] ?? 0
        let now = 0
        const deliver = (process: number, sequence: number) => {
          const nodes = [nodeReport('a', { inFlight: inFlightOf(process, sequence) })]
          book.take(reportOf({ process: `p${process}`, sequence, nodes }), now)
          if (sequence >= (newest.get(process)?.sequence ?? 0)) newest.set(process, { sequence, at: now })
        }
        const expected = () =>
          [...newest].reduce(
            (sum, [process, { sequence, at }]) =>
              sum + (now - at <= REPORT_FOR_MS ? inFlightOf(process, sequence) : 0),
            0,
          )
        for (const { process, sequence, afterMs } of deliveries) {
          now += afterMs
          deliver(process, sequence)
          if (sequence % 3 === 0) book.sweep(now)
          assert.equal(book.inFlight('a', now), expected())
        }
        for (const process of [0, 1, 2]) deliver(process, 20)
        assert.equal(
          book.inFlight('a', now),
          [0, 1, 2].reduce((sum, process) => sum + inFlightOf(process, 20), 0),
        )
      },
    ),
  )
})

test('what several proxies say of a node is one view of it', () => {
  const book = new LoadBook(null)
  const busy = { inFlight: 3, ttftMs: 100, itlMs: 10, ended: 9, failed: 0 }
  book.take(reportOf({ process: 'a', sequence: 1, nodes: [nodeReport('n', busy)] }), 0)
  const failing = { inFlight: 1, ttftMs: 1_200, breaker: 'rejecting', ended: 0 } as const
  book.take(reportOf({ process: 'b', sequence: 1, nodes: [nodeReport('n', failing)] }), 0)
  const trying = { breaker: 'probing', ended: 1, failed: 1 } as const
  book.take(reportOf({ process: 'c', sequence: 1, nodes: [nodeReport('n', trying)] }), 0)
  assert.deepEqual(book.view('n', 0), {
    inFlight: 4,
    ttftMs: 200,
    itlMs: 10,
    breaker: 'rejecting',
    rejectedBy: 1,
    errorRate: 0.1,
  })
})

test('what waits for a model is known while every proxy that told of its own still does', () => {
  const book = new LoadBook(null)
  const say = (process: string, sequence: number, waiting: number | null, nowMs: number) =>
    book.take(
      reportOf({ process, sequence, models: waiting === null ? [] : [modelReport({ waiting })] }),
      nowMs,
    )
  assert.equal(book.model('m', 0), null)
  say('a', 1, 3, 0)
  say('b', 1, 2, 0)
  assert.equal(book.model('m', 0)?.waiting, 5)
  assert.equal(book.model('other', 0)?.waiting, 0)
  // A report without the model: what was said before counts for as long as any report, then nobody waits there.
  say('b', 2, null, 1_000)
  say('a', 2, 3, REPORT_FOR_MS)
  assert.equal(book.model('m', REPORT_FOR_MS)?.waiting, 5)
  say('b', 3, null, REPORT_FOR_MS + 1)
  assert.equal(book.model('m', REPORT_FOR_MS + 1)?.waiting, 3)
  // The first falls silent.
  const silentAt = 2 * REPORT_FOR_MS + 1
  const lives = (nowMs: number) => say('b', nowMs, null, nowMs)
  lives(silentAt)
  assert.equal(book.model('m', silentAt)?.waiting, null)
  lives(REPORT_FOR_MS + MISSED_FOR_MS)
  assert.equal(book.model('m', REPORT_FOR_MS + MISSED_FOR_MS)?.waiting, null)
  lives(REPORT_FOR_MS + MISSED_FOR_MS + 1)
  assert.equal(book.model('m', REPORT_FOR_MS + MISSED_FOR_MS + 1)?.waiting, 0)
})

test('a proxy that ends is not missed, and where all are silent nothing is known', () => {
  const book = new LoadBook(null)
  book.take(reportOf({ process: 'a', models: [modelReport({ waiting: 1 })] }), 0)
  book.take(reportOf({ process: 'b' }), 0)
  book.take(reportOf({ process: 'a', sequence: 2, isLast: true }), 100)
  book.take(reportOf({ process: 'b', sequence: 2 }), REPORT_FOR_MS + 100)
  assert.equal(book.model('m', REPORT_FOR_MS + 100)?.waiting, 0)
  book.take(reportOf({ process: 'b', sequence: 3, isLast: true }), REPORT_FOR_MS + 100)
  assert.equal(book.model('m', REPORT_FOR_MS + 100), null)
})

test('the last request of a model is that of any proxy, and outlives its report', () => {
  const book = new LoadBook(null)
  const now = 10_000_000
  const asked = (process: string, lastRequestAtMs: number | null) =>
    book.take(reportOf({ process, models: [modelReport({ lastRequestAtMs })] }), now)
  asked('a', now - 500)
  asked('b', now - 900)
  asked('c', null)
  const later = now + 20 * 60_000
  book.sweep(later)
  book.take(reportOf({ process: 'a', sequence: 2 }), later)
  assert.equal(book.model('m', later)?.lastRequestAtMs, now - 500)
  // A clock that is ahead tells of nothing that is still to come.
  book.take(
    reportOf({ process: 'a', sequence: 3, models: [modelReport({ lastRequestAtMs: later + 1e9 })] }),
    later,
  )
  assert.equal(book.model('m', later)?.lastRequestAtMs, later)
})

test('p95 of TTFT is that of all proxies together', () => {
  const book = new LoadBook(null)
  const slow = new RecentTtft()
  const fast = new RecentTtft()
  for (let i = 0; i < 90; i++) fast.observe(100, 0)
  for (let i = 0; i < 10; i++) slow.observe(2_000, 0)
  book.take(reportOf({ process: 'a', models: [modelReport({ ttft: fast.counts(0) })] }), 0)
  assert.ok(isNear(book.model('m', 0)?.p95TtftMs, 100))
  book.take(reportOf({ process: 'b', models: [modelReport({ ttft: slow.counts(0) })] }), 0)
  assert.ok(isNear(book.model('m', 0)?.p95TtftMs, 2_000))
  assert.equal(book.model('other', 0)?.p95TtftMs, null)
})

test('a quantile of times is at most 5% off, and that of times longer ago than 35 s is gone', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1, max: 1_000_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 1e9 }),
      (times, q, nowMs) => {
        const recent = new RecentTtft()
        for (const ttftMs of times) recent.observe(ttftMs, nowMs)
        const sorted = times.toSorted((a, b) => a - b)
        const exact = sorted[Math.ceil(q * times.length) - 1]
        assert.ok(isNear(ttftQuantile(recent.counts(nowMs + 29_999), q), exact))
        assert.deepEqual(recent.counts(nowMs + 35_000), [])
        assert.deepEqual(recent.counts(nowMs - 5_000), [])
      },
    ),
  )
})

function isNear(ms: number | null | undefined, exact: number | undefined): boolean {
  return typeof ms === 'number' && exact !== undefined && Math.abs(ms / exact - 1) < 0.0501
}
