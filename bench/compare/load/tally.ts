import type { LoadResult } from './messages.js'

const SHOWN_REASONS = 5

/** Gathers the outcomes of one order. */
export interface LoadTally {
  complete(tokens: number): void
  /** @param tokens what came of the reply before it failed */
  fail(reason: string, tokens: number): void
  sample(micros: number): void
  result(): LoadResult
}

/** The time of the order runs from here. */
export function createLoadTally(): LoadTally {
  const startedAt = performance.now()
  const samplesMicros: number[] = []
  const reasons: string[] = []
  let completed = 0
  let received = 0
  let failed = 0
  return {
    complete(tokens) {
      completed += 1
      received += tokens
    },
    fail(reason, tokens) {
      failed += 1
      received += tokens
      if (reasons.length < SHOWN_REASONS && !reasons.includes(reason)) reasons.push(reason)
    },
    sample(micros) {
      samplesMicros.push(Math.round(micros))
    },
    result: () => ({
      completed,
      tokens: received,
      failed,
      reasons,
      elapsedMs: performance.now() - startedAt,
      samplesMicros,
    }),
  }
}
