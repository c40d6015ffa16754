/** Figures as people read them: three significant digits, and the unit that keeps them short. */

export interface DurationUnit {
  readonly name: string
  /** Microseconds in one. */
  readonly micros: number
}

const MICROSECONDS: DurationUnit = { name: 'µs', micros: 1 }
const MILLISECONDS: DurationUnit = { name: 'ms', micros: 1_000 }
const SECONDS: DurationUnit = { name: 's', micros: 1_000_000 }

/** What stands where there is no figure. */
export const NOTHING = '–'

/** Three significant digits, thousands grouped, no exponent, no idle zeros: 1,235 · 12.3 · 0.004. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

/** The unit in which a duration of this many microseconds has a figure from 1 to 999, or seconds. */
export function durationUnit(micros: number): DurationUnit {
  const rounded = Number(micros.toPrecision(3))
  if (rounded < 1_000) return MICROSECONDS
  return rounded < 1_000_000 ? MILLISECONDS : SECONDS
}

/** A duration in microseconds with its unit: 850 µs · 12.3 ms · 1.25 s. */
export function formatDuration(micros: number | null): string {
  if (micros === null) return NOTHING
  const unit = durationUnit(micros)
  return `${formatNumber(micros / unit.micros)} ${unit.name}`
}

/** A share (0 to 1) in percent; never 100% or 0% when it is not. */
export function formatShare(share: number): string {
  const percent = share * 100
  const digits = percent > 0 && percent < 100 ? Math.max(1, decimals(Math.min(percent, 100 - percent))) : 0
  return `${percent.toFixed(Math.min(6, digits))}%`
}

/** Decimal places that show the first significant digit. */
function decimals(value: number): number {
  return Math.ceil(-Math.log10(value))
}
