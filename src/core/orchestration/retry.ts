import { z } from 'zod'
import type { LaunchFailureKind } from '../machine.js'

const Retry = z.object({
  /** In a row; launches that failed together count once. */
  failures: z.number().int().min(1),
  /** Of them, those that count towards giving up: all but want of capacity, which ends by itself. */
  counted: z.number().int().min(0),
  /** Unix milliseconds since when none has gone through: when the first was planned, or was lost; null: the last has. */
  sinceMs: z.number().nullable().default(null),
  /** Unix milliseconds of the last of them, by the clock that nodes are planned by. */
  failedAtMs: z.number(),
  /** Nothing is launched before. */
  retryAtMs: z.number(),
  kind: z.enum(['no_capacity', 'refused', 'unauthorized', 'failed']),
  reason: z.string(),
  /** The last of them had served for a moment. */
  lost: z.boolean(),
})
/** What a deployment remembers of launches that failed: `deployments.retry`. */
export type Retry = Readonly<z.infer<typeof Retry>>

const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 300_000
/** Failures that count after which nothing is launched any more, by the kind of the last one. */
const MOST_FAILURES: Readonly<Record<LaunchFailureKind, number>> = {
  no_capacity: Infinity,
  refused: 1,
  unauthorized: 3,
  failed: 6,
}

/**
 * With enough nodes for so long, what failed before says nothing any more. Until then a node that serves says nothing of
 * one that was lost: it may be lost as well.
 */
export const FORGOTTEN_AFTER_MS = 900_000

/** As it was stored; null where it cannot be read: then nothing has failed. */
export function readRetry(stored: unknown): Retry | null {
  const retry = Retry.safeParse(stored)
  return retry.success ? retry.data : null
}

export interface LaunchFailure {
  readonly kind: LaunchFailureKind
  readonly reason: string
  /** It had served for a moment; default: it had not. */
  readonly lost?: boolean
}

/** Unix milliseconds. */
export interface FailureTimes {
  /** When the node was planned, and when that failed, by one clock. */
  readonly launchedAtMs: number
  readonly failedAtMs: number
  /** By the clock of whoever launches. */
  readonly nowMs: number
}

/**
 * After a launch that failed: pauses double, with jitter, so that many deployments do not ask a provider at once.
 * @param random 0 up to 1
 */
export function launchFailed(
  before: Retry | null,
  failure: LaunchFailure,
  { launchedAtMs, failedAtMs, nowMs }: FailureTimes,
  random: () => number,
): Retry {
  const { kind, reason, lost = false } = failure
  const counts = kind !== 'no_capacity'
  // One of several that were launched together: the one that tells most of them is told.
  if (before !== null && launchedAtMs < before.failedAtMs)
    return counts ? { ...before, counted: Math.max(1, before.counted), kind, reason, lost } : before
  const failures = (before?.failures ?? 0) + 1
  const counted = (before?.counted ?? 0) + (counts ? 1 : 0)
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30))
  const retryAtMs = nowMs + Math.round(pauseMs * (0.75 + 0.5 * random()))
  const sinceMs = before?.sinceMs ?? (lost ? failedAtMs : launchedAtMs)
  return { failures, counted, sinceMs, failedAtMs, retryAtMs, kind, reason, lost }
}

/**
 * After a launch that brought a node which serves: nothing has failed any more, unless nodes serve and are lost again and
 * again, which is remembered for a while.
 */
export function launchSucceeded(before: Retry | null, nowMs: number): Retry | null {
  const isRemembered = before !== null && before.lost && nowMs - before.failedAtMs < FORGOTTEN_AFTER_MS
  return isRemembered ? { ...before, sinceMs: null } : null
}

/** Whether it is given up: somebody has to change something first. */
export function isGivenUp({ counted, kind }: Retry): boolean {
  return counted >= MOST_FAILURES[kind]
}
