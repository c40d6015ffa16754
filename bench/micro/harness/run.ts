import type { RunningCase } from './bench.js'

/**
 * Where results go. The module's users may read it at any time, so that the compiler cannot leave out the work that
 * made a result, nor carry out one of two runs alone.
 */
export const sink: { result: unknown } = { result: undefined }

/** Carries out so many runs; returns the milliseconds that they took. */
export function timeRuns(subject: RunningCase, runs: number): number {
  const startedAt = performance.now()
  for (let left = runs; left > 0; left -= 1) sink.result = subject.run()
  return performance.now() - startedAt
}
