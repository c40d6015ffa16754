import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  RECORD_BEGIN,
  RECORD_END,
  RECORD_PADDING,
  RECORD_PROGRESS,
  SpoolEncoder,
  eachProgress,
  lostFile,
  parseSegmentFile,
  scanSpool,
  segmentFile,
  spoolEpoch,
} from '../../src/core/spool-format.js'

type Written =
  | { kind: 'begin' | 'end'; id: number; line: string }
  | { kind: 'progress'; id: number; counts: [number, number, number]; first: number; at: number }
  | { kind: 'padding'; length: number }

/** deepEqual minds prototypes. */
const plain = { noNullPrototype: true } as const
const id = fc.integer({ min: 1, max: 2 ** 47 })
const count = fc.nat({ max: 0xffffffff })
const micros = fc.nat({ max: 2 ** 52 })
const written: fc.Arbitrary<Written> = fc.oneof(
  fc.record(
    { kind: fc.constantFrom('begin' as const, 'end' as const), id, line: fc.string({ unit: 'grapheme' }) },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant('progress' as const),
      id,
      counts: fc.tuple(count, count, count),
      first: micros,
      at: micros,
    },
    plain,
  ),
  fc.record({ kind: fc.constant('padding' as const), length: fc.nat({ max: 64 }) }, plain),
)

function encode(records: readonly Written[]): Buffer {
  const encoder = new SpoolEncoder(32)
  for (const record of records) {
    if (record.kind === 'padding') encoder.padding(record.length)
    else if (record.kind === 'progress') {
      const [promptTokens, cachedTokens, completionTokens] = record.counts
      const times = { firstTokenAtMicros: record.first, atMicros: record.at }
      encoder.progress(record.id, { promptTokens, cachedTokens, completionTokens, ...times })
    } else
      encoder.line(record.kind === 'begin' ? RECORD_BEGIN : RECORD_END, record.id, Buffer.from(record.line))
  }
  return Buffer.from(encoder.bytes())
}

function decode(bytes: Buffer, final = true): { records: Written[]; next: number; skippedBytes: number } {
  const records: Written[] = []
  const scan = scanSpool(bytes, 0, final, ({ type, spoolId, payload }) => {
    if (type === RECORD_PADDING) records.push({ kind: 'padding', length: payload.length })
    else if (type === RECORD_PROGRESS) {
      eachProgress(payload, (requestId, p) => {
        const counts: [number, number, number] = [p.promptTokens, p.cachedTokens, p.completionTokens]
        records.push({ kind: 'progress', id: requestId, counts, first: p.firstTokenAtMicros, at: p.atMicros })
      })
    } else {
      records.push({
        kind: type === RECORD_BEGIN ? 'begin' : 'end',
        id: spoolId,
        line: payload.toString('utf8'),
      })
    }
    return true
  })
  return { records, ...scan }
}

/** What shares a record: progress that follows progress. */
function recordGroups(records: readonly Written[]): Written[][] {
  const groups: Written[][] = []
  for (const record of records) {
    const last = groups.at(-1)
    if (record.kind === 'progress' && last?.[0]?.kind === 'progress') last.push(record)
    else groups.push([record])
  }
  return groups
}

test('what was written is read back', () => {
  fc.assert(
    fc.property(fc.array(written), (records) => {
      const bytes = encode(records)
      assert.deepEqual(decode(bytes), { records, next: bytes.length, skippedBytes: 0 })
    }),
  )
})

test('a spool cut anywhere reads as a prefix and continues where it was cut', () => {
  fc.assert(
    fc.property(fc.array(written, { minLength: 1 }), fc.nat(), (records, seed) => {
      const bytes = encode(records)
      const cut = bytes.subarray(0, seed % bytes.length)
      const head = decode(cut, false)
      assert.deepEqual(head.records, records.slice(0, head.records.length))
      assert.equal(head.skippedBytes, 0)
      const tail = decode(bytes.subarray(head.next))
      assert.deepEqual([...head.records, ...tail.records], records)
      const torn = decode(cut, true)
      assert.deepEqual(torn.records, head.records)
      assert.equal(torn.skippedBytes, cut.length - head.next)
    }),
  )
})

test('a flipped byte costs the record that it stands in and no other', () => {
  fc.assert(
    fc.property(
      fc.array(written, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (records, seed, mask) => {
        const bytes = encode(records)
        const at = seed % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ mask
        const { records: read } = decode(bytes)
        const groups = recordGroups(records)
        const damaged = groups.findIndex((_, index) => encode(groups.slice(0, index + 1).flat()).length > at)
        assert.deepEqual(read, groups.toSpliced(damaged, 1).flat())
      },
    ),
    { numRuns: 500 },
  )
})

test('counts that a node made up do not stop the record', () => {
  const encoder = new SpoolEncoder()
  encoder.progress(1, {
    promptTokens: 1e15,
    cachedTokens: -3,
    completionTokens: Number.NaN,
    firstTokenAtMicros: 0,
    atMicros: 1,
  })
  const [record] = decode(encoder.bytes()).records
  assert.deepEqual(record?.kind === 'progress' && record.counts, [0xffffffff, 0, 0])
})

test('a record that no reader would take is refused', () => {
  assert.throws(() => {
    new SpoolEncoder().line(RECORD_END, 1, Buffer.alloc(2 ** 20 + 1))
  }, RangeError)
})

test('segments sort by epoch and sequence, the lost file last', () => {
  const early = spoolEpoch(1_700_000_000_000_000, 99)
  const late = spoolEpoch(1_700_000_000_000_001, 7)
  const files = [lostFile(early), segmentFile(late, 0), segmentFile(early, 10), segmentFile(early, 9)]
  assert.deepEqual(files.sort(), [
    segmentFile(early, 9),
    segmentFile(early, 10),
    lostFile(early),
    segmentFile(late, 0),
  ])
  assert.equal(parseSegmentFile(lostFile(early))?.epoch, early)
  assert.equal(parseSegmentFile('flush-state.json'), null)
})
