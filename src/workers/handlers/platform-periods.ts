const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * How far back each period goes, the rollup that it is read from and the stretches of its series. A day comes from the
 * hourly rollup: by the minute there are as many rows as minutes, keys and models.
 */
const PERIODS = {
  '1h': { lengthMs: HOUR_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '24h': { lengthMs: DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '7d': { lengthMs: 7 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, rollup: 'usage_by_hour', stepMs: DAY_MS },
} as const

/** A time that figures of the platform are of. */
export interface PlatformWindow {
  readonly rollup: string
  /** Unix milliseconds, a whole step. */
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
}

/** The window of a period that ends now. */
export function windowOf(period: keyof typeof PERIODS, now: Date): PlatformWindow {
  const { lengthMs, rollup, stepMs } = PERIODS[period]
  const endMs = now.getTime()
  return { rollup, startMs: Math.floor((endMs - lengthMs) / stepMs) * stepMs, endMs, stepMs }
}
