import { addDays, dateIn, type DateRange, offsetMs, startOfDay } from './date-range.js'

export const GRANULARITIES = ['hour', 'day', 'week', 'month'] as const
export type Granularity = (typeof GRANULARITIES)[number]

/** A stretch of a calendar, cut by the range that it was asked for: it ends where the next one begins. */
export interface DateBucket {
  /** Of an hour the RFC 3339 time at which it begins, else the calendar date; both may lie before the range. */
  readonly date: string
  /** Unix milliseconds, within the range. */
  readonly startMs: number
}

const HOUR_MS = 3_600_000

/** The hours, days, weeks (from Monday) or months of a time zone that a range touches, in order; they fill it. */
export function dateBuckets(range: DateRange, granularity: Granularity, tz: string): DateBucket[] {
  const { startMs, endMs } = range
  if (startMs >= endMs) return []
  const all = granularity === 'hour' ? hours(range, tz) : dates(range, granularity, tz)
  const begun = all.map(({ date, startMs: at }) => ({ date, startMs: Math.max(at, startMs) }))
  // A day that a zone skipped, by moving across the date line, takes no time.
  return begun.filter(({ startMs: at }, i) => at < (begun[i + 1]?.startMs ?? endMs))
}

/** The bucket that holds a time; undefined before the first. */
export function bucketAt(buckets: readonly DateBucket[], atMs: number): DateBucket | undefined {
  let low = 0
  let high = buckets.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const bucket = buckets[middle]
    if (bucket !== undefined && bucket.startMs <= atMs) low = middle + 1
    else high = middle
  }
  return buckets[low - 1]
}

function dates(
  { startMs, endMs }: DateRange,
  granularity: 'day' | 'week' | 'month',
  tz: string,
): DateBucket[] {
  const buckets: DateBucket[] = []
  for (let date = firstOf(granularity, dateIn(tz, startMs)); ; date = nextOf(granularity, date)) {
    const at = startOfDay(date, tz)
    if (at >= endMs) return buckets
    buckets.push({ date, startMs: at })
  }
}

function firstOf(granularity: 'day' | 'week' | 'month', date: string): string {
  if (granularity === 'day') return date
  if (granularity === 'month') return `${date.slice(0, -2)}01`
  const sinceMonday = (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7
  return addDays(date, -sinceMonday)
}

function nextOf(granularity: 'day' | 'week' | 'month', date: string): string {
  if (granularity === 'month') return firstOf('month', addDays(date, 31))
  return addDays(date, granularity === 'week' ? 7 : 1)
}

/** Hours of the clock: in some zones they begin at half past in UTC, and where the clock moves by less than one, one is longer. */
function hours({ startMs, endMs }: DateRange, tz: string): DateBucket[] {
  const sinceHour = (at: number) => (((at + offsetMs(tz, at)) % HOUR_MS) + HOUR_MS) % HOUR_MS
  const buckets: DateBucket[] = []
  let at = startMs - sinceHour(startMs)
  while (at < endMs) {
    buckets.push({ date: new Date(at).toISOString(), startMs: at })
    const next = at + HOUR_MS
    const late = sinceHour(next)
    at = late === 0 ? next : next + HOUR_MS - late
  }
  return buckets
}
