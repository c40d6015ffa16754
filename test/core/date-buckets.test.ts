import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketAt, dateBuckets, GRANULARITIES, type Granularity } from '../../src/core/date-buckets.js'
import { dateRange } from '../../src/core/date-range.js'

const HOUR_MS = 3_600_000

function buckets(granularity: Granularity, start: string, end: string, tz = 'UTC') {
  const range = dateRange({ start_date: start, end_date: end, tz }, 0)
  return dateBuckets(range, granularity, tz).map(({ date, startMs }) => [
    date,
    new Date(startMs).toISOString(),
  ])
}

test('days are those of the zone', () => {
  assert.deepEqual(buckets('day', '2026-05-01', '2026-05-02', 'Asia/Kolkata'), [
    ['2026-05-01', '2026-04-30T18:30:00.000Z'],
    ['2026-05-02', '2026-05-01T18:30:00.000Z'],
  ])
  // In New York the 8th of March 2026 has 23 hours.
  assert.deepEqual(buckets('day', '2026-03-08', '2026-03-09', 'America/New_York'), [
    ['2026-03-08', '2026-03-08T05:00:00.000Z'],
    ['2026-03-09', '2026-03-09T04:00:00.000Z'],
  ])
})

test('weeks begin on Monday and months on the first, and are cut by the range', () => {
  assert.deepEqual(buckets('week', '2026-05-01', '2026-05-11'), [
    ['2026-04-27', '2026-05-01T00:00:00.000Z'],
    ['2026-05-04', '2026-05-04T00:00:00.000Z'],
    ['2026-05-11', '2026-05-11T00:00:00.000Z'],
  ])
  assert.deepEqual(buckets('month', '2025-12-15', '2026-02-01'), [
    ['2025-12-01', '2025-12-15T00:00:00.000Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-02-01', '2026-02-01T00:00:00.000Z'],
  ])
})

test('hours are those of the clock', () => {
  assert.deepEqual(buckets('hour', '2026-05-01T10:20:00Z', '2026-05-01T12:00:00Z', 'Asia/Kolkata'), [
    ['2026-05-01T09:30:00.000Z', '2026-05-01T10:20:00.000Z'],
    ['2026-05-01T10:30:00.000Z', '2026-05-01T10:30:00.000Z'],
    ['2026-05-01T11:30:00.000Z', '2026-05-01T11:30:00.000Z'],
  ])
  assert.equal(buckets('hour', '2026-03-08', '2026-03-08', 'America/New_York').length, 23)
  // On Lord Howe Island the clock goes back by half an hour at two: the hour from one on lasts one and a half.
  const night = buckets('hour', '2026-04-05', '2026-04-05', 'Australia/Lord_Howe')
  assert.equal(night.length, 24)
  assert.deepEqual(
    night.slice(1, 3).map(([, start]) => start),
    ['2026-04-04T14:00:00.000Z', '2026-04-04T15:30:00.000Z'],
  )
})

test('a day that a zone skipped is left out, an empty range has no bucket', () => {
  const samoa = buckets('day', '2011-12-29', '2011-12-31', 'Pacific/Apia').map(([date]) => date)
  assert.deepEqual(samoa, ['2011-12-29', '2011-12-31'])
  assert.deepEqual(buckets('day', '2026-05-01T10:00:00Z', '2026-05-01T10:00:00Z'), [])
})

const zone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Casablanca',
)

test('buckets fill the range without a gap, each of a name of its own, and every time is in its bucket', () => {
  const moment = fc.integer({ min: Date.UTC(2005, 0), max: Date.UTC(2035, 0) })
  const length = fc.integer({ min: 1, max: 40 * 24 * HOUR_MS })
  fc.assert(
    fc.property(
      moment,
      length,
      zone,
      fc.constantFrom(...GRANULARITIES),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (startMs, lengthMs, tz, granularity, share) => {
        const endMs = startMs + lengthMs
        const all = dateBuckets({ startMs, endMs, startDate: '', endDate: '' }, granularity, tz)
        assert.equal(all[0]?.startMs, startMs)
        for (const [i, bucket] of all.entries()) {
          const end = all[i + 1]?.startMs ?? endMs
          assert.ok(bucket.startMs < end)
          // The clock's quarters are never cut, so that whole ones can be put into a bucket.
          if (i > 0) assert.equal(bucket.startMs % (HOUR_MS / 4), 0)
          const atMs = bucket.startMs + Math.floor(share * (end - bucket.startMs - 1))
          assert.equal(bucketAt(all, atMs), bucket)
        }
        assert.equal(new Set(all.map(({ date }) => date)).size, all.length)
        assert.equal(bucketAt(all, startMs - 1), undefined)
      },
    ),
    { numRuns: 300 },
  )
})
