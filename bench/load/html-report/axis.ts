import { durationUnit, formatDuration, formatNumber } from '../units.js'

/** A labelled scale along one side of a chart. */
export interface Axis {
  readonly label: string
  /** 0 at the axis' start, 1 at its end; values outside are held at the ends. */
  position(value: number): number
  readonly ticks: readonly Tick[]
}

export interface Tick {
  readonly value: number
  readonly label: string
}

/** An axis that shows less than this shows nothing. */
const LEAST_TOP = 1e-4

const clamp = (share: number): number => Math.min(1, Math.max(0, share))

/** The step of 1, 2 or 5 times a power of ten that cuts `span` into at most `most` pieces. */
export function niceStep(span: number, most: number): number {
  const least = span / most
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5].find((one) => one * power >= least * (1 - 1e-9)) ?? 10
  return factor * power
}

/** Numbers or durations that start at 0. */
export function linearAxis(label: string, greatest: number, format: (value: number) => string): Axis {
  const top = greatest > LEAST_TOP ? greatest : 1
  const step = niceStep(top, 5)
  const steps = Math.ceil(top / step - 1e-9)
  return {
    label,
    position: (value) => clamp(value / (steps * step)),
    ticks: Array.from({ length: steps + 1 }, (_, at) => ({ value: at * step, label: format(at * step) })),
  }
}

export function countAxis(label: string, greatest: number): Axis {
  return linearAxis(label, greatest, formatNumber)
}

/** Microseconds from 0, all ticks in the one unit that suits the greatest. */
export function durationAxis(label: string, greatestMicros: number): Axis {
  const unit = durationUnit(greatestMicros)
  const axis = countAxis(`${label}, ${unit.name}`, greatestMicros / unit.micros)
  return {
    ...axis,
    position: (micros) => axis.position(micros / unit.micros),
    ticks: axis.ticks.map(({ value, label: text }) => ({ value: value * unit.micros, label: text })),
  }
}

/** Microseconds on a logarithmic scale over whole decades, or 1-2-5 ends when the values span less than one. */
export function logDurationAxis(label: string, leastMicros: number, greatestMicros: number): Axis {
  const marks = logMarks(Math.max(1, leastMicros), Math.max(1, greatestMicros))
  const low = marks[0] ?? 1
  const high = marks.at(-1) ?? 10
  const decades = Math.log10(high / low)
  const isLabelled = (mark: number): boolean => decades <= 3 || Number.isInteger(Math.log10(mark))
  return {
    label,
    position: (micros) => clamp(Math.log10(Math.max(low, micros) / low) / decades),
    ticks: marks.filter(isLabelled).map((value) => ({ value, label: formatDuration(value) })),
  }
}

/** Values of 1, 2, 5, 10, … from the last one at or below `low` to the first one at or above `high`, two at least. */
function logMarks(low: number, high: number): number[] {
  const all = Array.from({ length: 40 }, (_, at) => [1, 2, 5].map((factor) => factor * 10 ** at)).flat()
  const first = all.findLastIndex((mark) => mark <= low)
  const last = all.findIndex((mark) => mark >= high)
  return all.slice(first, Math.max(first + 1, last) + 1)
}

/** Quantiles (0 to 1) on a scale of nines: each further nine is as wide as the one before. */
export function ninesAxis(label: string, nines: number): Axis {
  const marks = [0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999]
  return {
    label,
    position: (q) => clamp(ninesOf(q) / nines),
    ticks: marks
      .filter((q) => ninesOf(q) <= nines + 1e-9)
      .map((value) => ({ value, label: value === 0 ? '0' : `p${Number((value * 100).toPrecision(8))}` })),
  }
}

/** 0.9 has one, 0.99 two. */
export function ninesOf(q: number): number {
  return -Math.log10(1 - Math.min(q, 1 - 1e-12))
}

/** Seconds of a run, from the warm-up's negative ones to its end. */
export function secondsAxis(from: number, to: number): Axis {
  const span = Math.max(1, to - from)
  const step = Math.max(1, niceStep(span, 8))
  const first = Math.ceil(from / step) * step
  const count = Math.floor((from + span - first) / step) + 1
  return {
    label: 'seconds of the run',
    position: (second) => clamp((second - from) / span),
    ticks: Array.from({ length: count }, (_, at) => ({
      value: first + at * step,
      label: formatNumber(first + at * step),
    })),
  }
}
