import { setImmediate } from 'node:timers/promises'
import { quantile, spread } from '../../statistics.js'
import type { RunningCase } from './bench.js'
import { timeRuns } from './run.js'

/** Nanoseconds of one run. Each sample is the mean of a batch of runs, pauses of the garbage collector included. */
export interface Timing {
  readonly minNs: number
  readonly medianNs: number
  readonly p99Ns: number
  readonly samples: number
  readonly runsPerSample: number
  /** False: the times still moved when the warm-up had to end. */
  readonly steady: boolean
}

/** A batch is at least this long, so that neither the clock's resolution nor its cost shows. */
const BATCH_MS = 1
/** Batches are planned for this. */
const PLANNED_BATCH_MS = 1.25
const ROUND_MS = 60
/** The warm-up ends when the medians of so many rounds in a row lie this close together. */
const STEADY_ROUNDS = 4
const STEADY_RATIO = 1.05
const LONGEST_WARM_UP_MS = 3_000

/** Warms a case up until its times are steady, then measures it for about so many milliseconds. */
export async function measureTiming(subject: RunningCase, forMs: number): Promise<Timing> {
  const { runs, steady } = await warmUp(subject)
  globalThis.gc?.()
  const round = await measureRound(subject, runs, forMs)
  const sorted = round.samples.toSorted((a, b) => a - b)
  return {
    minNs: quantile(sorted, 0),
    medianNs: spread(sorted).median,
    p99Ns: quantile(sorted, 0.99),
    samples: sorted.length,
    runsPerSample: round.runs,
    steady,
  }
}

async function warmUp(subject: RunningCase): Promise<{ runs: number; steady: boolean }> {
  const until = performance.now() + LONGEST_WARM_UP_MS
  let runs = 1
  const medians: number[] = []
  while (performance.now() < until) {
    const round = await measureRound(subject, runs, ROUND_MS)
    const { median } = spread(round.samples)
    // What the compiler made faster needs larger batches.
    runs = Math.max(1, Math.ceil((PLANNED_BATCH_MS * 1e6) / median))
    medians.push(median)
    const last = medians.slice(-STEADY_ROUNDS)
    if (last.length === STEADY_ROUNDS && Math.max(...last) <= Math.min(...last) * STEADY_RATIO) {
      return { runs, steady: true }
    }
  }
  return { runs, steady: false }
}

/** Samples in nanoseconds per run, and the batches' size in the end: one that turns out too short is grown. */
async function measureRound(
  subject: RunningCase,
  runs: number,
  forMs: number,
): Promise<{ samples: number[]; runs: number }> {
  const samples: number[] = []
  const until = performance.now() + forMs
  while (samples.length === 0 || performance.now() < until) {
    const elapsedMs = timeRuns(subject, runs)
    subject.tidy?.()
    // Timers and the completions of other threads' work get their turn outside of the samples.
    await setImmediate()
    if (elapsedMs < BATCH_MS) runs *= 2
    else samples.push((elapsedMs * 1e6) / runs)
  }
  return { samples, runs }
}
