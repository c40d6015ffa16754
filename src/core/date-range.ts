import { GatewayError } from './errors.js'

/** A stretch of time in Unix milliseconds, its end exclusive, and how to name its bounds in a reply. */
export interface DateRange {
  readonly startMs: number
  readonly endMs: number
  /** `YYYY-MM-DD` (whole day, inclusive) or RFC 3339 (exact, the end exclusive), as they were asked for. */
  readonly startDate: string
  readonly endDate: string
}

export interface DateQuery {
  readonly start_date?: string | undefined
  readonly end_date?: string | undefined
  /** IANA name. */
  readonly tz: string
}

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const DEFAULT_DAYS = 30
export const MAX_RANGE_DAYS = 366
const WHOLE_DAY = /^\d{4}-\d{2}-\d{2}$/

/** Whether a name is one of a time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * The range that a query asks for: dates are whole days in `tz`, the end inclusive; RFC 3339 times are exact, the
 * end exclusive; by default the 30 days that end today.
 * @throws GatewayError invalid_parameter when the start is after the end, or the range longer than 366 days
 */
export function dateRange({ start_date, end_date, tz }: DateQuery, nowMs: number): DateRange {
  const endDate = end_date ?? defaultEnd(start_date, tz, nowMs)
  const startDate = start_date ?? defaultStart(endDate)
  const startMs = startOf(startDate, tz)
  const endMs = endOf(endDate, tz)
  requireOrder(startDate, endDate, tz)
  // A day may have 25 hours.
  if (endMs - startMs > MAX_RANGE_DAYS * DAY_MS + HOUR_MS) {
    throw new GatewayError('invalid_parameter', {
      param: start_date === undefined ? 'end_date' : 'start_date',
      message: `At most ${MAX_RANGE_DAYS} days can be asked for at once.`,
    })
  }
  return { startMs, endMs, startDate, endDate }
}

/**
 * {@link dateRange} without defaults or a longest range: a bound that was not asked for is null.
 * @throws GatewayError invalid_parameter when the start is after the end
 */
export function openRange({ start_date, end_date, tz }: DateQuery): {
  startMs: number | null
  endMs: number | null
} {
  if (start_date !== undefined && end_date !== undefined) requireOrder(start_date, end_date, tz)
  return {
    startMs: start_date === undefined ? null : startOf(start_date, tz),
    endMs: end_date === undefined ? null : endOf(end_date, tz),
  }
}

function startOf(date: string, tz: string): number {
  return WHOLE_DAY.test(date) ? startOfDay(date, tz) : Date.parse(date)
}

function endOf(date: string, tz: string): number {
  return WHOLE_DAY.test(date) ? startOfDay(addDays(date, 1), tz) : Date.parse(date)
}

function requireOrder(startDate: string, endDate: string, tz: string): void {
  // The day before the start ends where the start begins.
  const dayBefore = WHOLE_DAY.test(endDate) && WHOLE_DAY.test(startDate) && startDate > endDate
  if (startOf(startDate, tz) <= endOf(endDate, tz) && !dayBefore) return
  throw new GatewayError('invalid_parameter', {
    param: 'start_date',
    message: `'start_date' (${startDate}) is after 'end_date' (${endDate}).`,
  })
}

function defaultEnd(start: string | undefined, tz: string, nowMs: number): string {
  return start === undefined || WHOLE_DAY.test(start) ? dateIn(tz, nowMs) : new Date(nowMs).toISOString()
}

function defaultStart(end: string): string {
  return WHOLE_DAY.test(end)
    ? addDays(end, 1 - DEFAULT_DAYS)
    : new Date(Date.parse(end) - DEFAULT_DAYS * DAY_MS).toISOString()
}

/** A date some days later. The day after the year 9999 has more digits, `+010000-01-01`, which Date reads as well. */
export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().replace(/T.*/, '')
}

/** The calendar date in a time zone. */
export function dateIn(tz: string, atMs: number): string {
  return new Date(atMs + offsetMs(tz, atMs)).toISOString().slice(0, 10)
}

/** The first instant of a calendar day in a time zone; where a clock change skips midnight, that of the change. */
export function startOfDay(date: string, tz: string): number {
  const midnight = Date.parse(`${date}T00:00:00Z`)
  // The offset that holds at the instant is that of a day before or after it, on either side of a clock change.
  const candidates = [midnight - DAY_MS, midnight + DAY_MS].map((at) => midnight - offsetMs(tz, at))
  const valid = candidates.filter((at) => at + offsetMs(tz, at) === midnight)
  return valid.length > 0 ? Math.min(...valid) : Math.max(...candidates)
}

/** Making a format takes longer than using it a hundred times. There are some 600 zones, whose names come in any case. */
const formats = new Map<string, Intl.DateTimeFormat>()
const MOST_FORMATS = 1_000

function formatOf(tz: string): Intl.DateTimeFormat {
  const known = formats.get(tz)
  if (known !== undefined) return known
  if (formats.size >= MOST_FORMATS) formats.clear()
  const format = new Intl.DateTimeFormat('en-US', { timeZone: tz, timeZoneName: 'longOffset' })
  formats.set(tz, format)
  return format
}

/** Local time less UTC. */
export function offsetMs(tz: string, atMs: number): number {
  const name =
    formatOf(tz)
      .formatToParts(atMs)
      .find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT'
  const [, sign, hours = '0', minutes = '0', seconds = '0'] =
    /^GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(name) ?? []
  const ms = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
  return sign === '-' ? -ms : ms
}
