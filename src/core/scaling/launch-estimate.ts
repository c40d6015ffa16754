import { z } from 'zod'

const Launch = z.strictObject({ atMs: z.number(), tookMs: z.number().min(0) })
/** A launch that ended with a node that serves: when, in Unix milliseconds, and after how long. */
export type Launch = Readonly<z.infer<typeof Launch>>

/** More of them say no more. */
const KEPT = 32
/** After this long a launch counts half: images, caches and capacity change. */
const HALF_LIFE_MS = 7 * 86_400_000
/** A client is told a time within which four of five launches end. */
const QUANTILE = 0.8
/** Launches that are needed to know, by their weight: three of today, more where they are older. */
const ENOUGH = 2.8
/** So that with fewer than enough the guess is within the quantile, unless it is less than they. */
const GUESS_WEIGHT = (ENOUGH * (1 - QUANTILE)) / QUANTILE
const LEAST_MS = 1_000
const LONGEST_MS = 3_600_000

/** What is expected of a launch before there was any: a machine, drivers, and the weights of a large model. */
export const GUESSED_LAUNCH_MS = 600_000

export interface LaunchEstimate {
  /** Milliseconds until a node serves, at least a second and at most an hour. */
  readonly ms: number
  /** `guess`: mostly what is assumed of launches anyway; `launches`: there were enough to know. */
  readonly basis: 'guess' | 'launches'
  /** Launches that it rests on. */
  readonly launches: number
}

/** Past launches as they were stored, and one more; the oldest are let go of. */
export function launched(history: readonly Launch[], launch: Launch): Launch[] {
  return [...history, launch].sort((a, b) => a.atMs - b.atMs).slice(-KEPT)
}

/** As it was stored; empty where it cannot be read. */
export function readLaunches(stored: unknown): Launch[] {
  const launches = z.array(Launch).safeParse(stored)
  return launches.success ? launches.data : []
}

/**
 * How long it takes until a node serves whose launch began `elapsedMs` ago, 0 for one that is yet to begin: what `retry-after`
 * says. Of the past launches, and of a guess while they are few, only those count that took longer than this one already has. One
 * that takes longer than all of them is expected to take half as long again: the later it is, the less is known.
 */
export function estimateLaunch(
  history: readonly Launch[],
  elapsedMs: number,
  nowMs: number,
  guessedMs = GUESSED_LAUNCH_MS,
): LaunchEstimate {
  const weighted = history.map(({ atMs, tookMs }) => ({
    tookMs,
    weight: 2 ** (-Math.max(0, nowMs - atMs) / HALF_LIFE_MS),
  }))
  const known = weighted.reduce((sum, { weight }) => sum + weight, 0)
  const isKnown = known >= ENOUGH
  const guess = isKnown ? [] : [{ tookMs: guessedMs, weight: GUESS_WEIGHT }]
  const longer = [...weighted, ...guess].filter(({ tookMs }) => tookMs > elapsedMs)
  const remainingMs = longer.length === 0 ? elapsedMs / 2 : weightedQuantile(longer, QUANTILE) - elapsedMs
  return {
    ms: Math.min(LONGEST_MS, Math.max(LEAST_MS, Math.round(remainingMs))),
    basis: isKnown ? 'launches' : 'guess',
    launches: history.length,
  }
}

/**
 * The value at or below which the next one lies with probability `q`. That one counts with the others: of four, the greatest
 * is exceeded by every fifth.
 */
function weightedQuantile(
  values: readonly { readonly tookMs: number; readonly weight: number }[],
  q: number,
): number {
  const sorted = values.toSorted((a, b) => a.tookMs - b.tookMs)
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0)
  let sum = 0
  for (const { tookMs, weight } of sorted) {
    sum += weight
    if (sum >= q * (total + 1)) return tookMs
  }
  return sorted.at(-1)?.tookMs ?? 0
}
