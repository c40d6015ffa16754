import { UsageError } from '../command.js'
import { parseDuration } from './duration.js'
import { parseLengths, type Lengths } from './lengths.js'

const MOST_SECONDS = 86_400

/** Two options that exclude each other. @throws UsageError */
export function contradict(one: string, other: string): never {
  throw new UsageError(`--${one} and --${other} contradict each other: give one of them`)
}

/** One of some words. @throws UsageError */
export function oneOf<const T extends string>(name: string, text: string, words: readonly T[]): T {
  const word = words.find((one) => one === text)
  if (word !== undefined) return word
  throw new UsageError(`--${name} takes ${words.join(' or ')}, not "${text}"`)
}

/** NaN when it is no whole number. */
export function wholeOrNaN(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}

/** A time, in seconds. @throws UsageError */
export function seconds(name: string, text: string, least: number): number {
  const value = (parseDuration(text) ?? Number.NaN) / 1000
  if (value >= least && value <= MOST_SECONDS) return value
  throw new UsageError(`--${name} takes a time like 500ms, 10s or 2m, at least ${least} s, not "${text}"`)
}

/** From 0 to 1. @throws UsageError */
export function share(name: string, text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= 0 && value <= 1) return value
  throw new UsageError(`--${name} takes a share from 0 to 1, not "${text}"`)
}

/** A distribution of lengths. @throws UsageError */
export function lengths(name: string, text: string): Lengths {
  const parsed = parseLengths(text)
  if (parsed !== null) return parsed
  throw new UsageError(
    `--${name} takes 512, uniform:100-900, normal:MEAN,DEVIATION or lognormal:MEDIAN,SIGMA, not "${text}"`,
  )
}
