import { quantile } from '../../statistics.js'
import type { LoadResult } from './messages.js'

const SHOWN_REASONS = 5

/** Gathers the outcomes of one order. Milliseconds are `performance.now()`. */
export interface LoadTally {
  complete(startedAt: number, endedAt: number): void
  token(count: number): void
  fail(reason: string): void
  result(): LoadResult
}

/** @param withLatency whether the time of each reply is of interest */
export function createLoadTally(withLatency: boolean): LoadTally {
  const startedAt = performance.now()
  const latencies: number[] = []
  const reasons: string[] = []
  let completed = 0
  let tokens = 0
  let failed = 0
  return {
    complete(from, to) {
      completed += 1
      if (withLatency) latencies.push((to - from) * 1000)
    },
    token(count) {
      tokens += count
    },
    fail(reason) {
      failed += 1
      if (reasons.length < SHOWN_REASONS) reasons.push(reason)
    },
    result() {
      const sorted = latencies.sort((a, b) => a - b)
      const latencyMicros =
        sorted.length === 0 ? null : { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
      return { completed, tokens, failed, reasons, elapsedMs: performance.now() - startedAt, latencyMicros }
    },
  }
}
