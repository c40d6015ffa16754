import type { Histogram } from 'hdr-histogram-js'
import { createHistogram, record } from './latency-histogram.js'

/** What the generator's own process did in the measured part. */
export interface SelfWatch {
  readonly loopLag: Histogram
  readonly sendDelay: Histogram
  /** Begins to measure lag and CPU. */
  start(): void
  /** Ends it; what comes later does not count. */
  stop(): void
  readonly onSent: (delayMs: number) => void
  /** A timer of `periodMs` fired, `lateMs` after its time. */
  onTick(lateMs: number): void
  /** Share of one processor that was used between start and stop. */
  cpu(): number
}

export function createSelfWatch(): SelfWatch {
  const loopLag = createHistogram('fine')
  const sendDelay = createHistogram('fine')
  let measuring = false
  let startedAt = 0
  let before = process.cpuUsage()
  let share = 0
  return {
    loopLag,
    sendDelay,
    start() {
      measuring = true
      startedAt = performance.now()
      before = process.cpuUsage()
    },
    stop() {
      if (!measuring) return
      measuring = false
      const { user, system } = process.cpuUsage(before)
      share = (user + system) / 1000 / Math.max(1, performance.now() - startedAt)
    },
    onSent(delayMs) {
      record(sendDelay, delayMs)
    },
    onTick(lateMs) {
      if (measuring) record(loopLag, lateMs)
    },
    cpu: () => Math.min(1, share),
  }
}
