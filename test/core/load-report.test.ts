import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LoadBook, REPORT_FOR_MS } from '../../src/core/load-book.js'
import { decodeLoadReport, encodeLoadReport, type NodeReport } from '../../src/core/load-report.js'

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

function nodeReport(nodeId: string, changes: Partial<NodeReport> = {}): NodeReport {
  const nothing = { ttftMs: null, itlMs: null, breaker: 'admitting', ended: 0, failed: 0 } as const
  return { nodeId, inFlight: 0, ...nothing, ...changes }
}

test('a report is split into messages that the bus takes, and read back as it was', () => {
  fc.assert(
    fc.property(fc.array(report, { maxLength: 400 }), count, (nodes, sequence) => {
      const messages = encodeLoadReport({ process: 'proxy-0:é', sequence, nodes }, MOST_BYTES)
      const read = messages.map((message) => {
        assert.ok(Buffer.byteLength(message) <= MOST_BYTES)
        const decoded = decodeLoadReport(message)
        assert.ok(decoded !== null)
        assert.deepEqual([decoded.process, decoded.sequence], ['proxy-0:é', sequence])
        return decoded.nodes
      })
      assert.deepEqual(read.flat(), nodes)
    }),
    { numRuns: 30 },
  )
})

test('a message that is none is no report, and never an error', () => {
  const [good = ''] = encodeLoadReport({ process: 'p', sequence: 1, nodes: [nodeReport('a')] }, MOST_BYTES)
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
    good.replace('"sequence":1', '"sequence":1,"more":1'),
    good.replace('["a",0', '["a",-1'),
    good.replace('["a",0', '["a",0.5'),
    good.replace('admitting', 'open'),
  ]) {
    assert.notEqual(bad, good)
    assert.equal(decodeLoadReport(bad), null)
  }
})

test('the requests of a process that died are gone after two seconds', () => {
  const book = new LoadBook('self')
  book.take({ process: 'other', sequence: 1, nodes: [nodeReport('a', { inFlight: 3 })] }, 0)
  assert.equal(book.inFlight('a', REPORT_FOR_MS), 3)
  assert.equal(book.inFlight('a', REPORT_FOR_MS + 1), 0)
  assert.equal(book.view('a', REPORT_FOR_MS + 1), null)
  book.sweep(REPORT_FOR_MS + 1)
  assert.equal(book.inFlight('a', 0), 0)
})

test('our own reports and those that are overtaken are not counted', () => {
  const book = new LoadBook('self')
  const say = (process: string, sequence: number, inFlight: number) =>
    book.take({ process, sequence, nodes: [nodeReport('a', { inFlight })] }, 0)
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
          book.take({ process: `p${process}`, sequence, nodes }, now)
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
  book.take({ process: 'a', sequence: 1, nodes: [nodeReport('n', busy)] }, 0)
  const failing = { inFlight: 1, ttftMs: 1_200, breaker: 'rejecting', ended: 0 } as const
  book.take({ process: 'b', sequence: 1, nodes: [nodeReport('n', failing)] }, 0)
  const trying = { breaker: 'probing', ended: 1, failed: 1 } as const
  book.take({ process: 'c', sequence: 1, nodes: [nodeReport('n', trying)] }, 0)
  assert.deepEqual(book.view('n', 0), {
    inFlight: 4,
    ttftMs: 200,
    itlMs: 10,
    breaker: 'rejecting',
    rejectedBy: 1,
    errorRate: 0.1,
  })
})
