import { setTimeout as sleep } from 'node:timers/promises'
import { explanationLine } from '../core/explanation-line.js'
import { isUnusual, type ExplanationSink, type StoreOutcome } from '../core/explanation.js'
import { SampleRate } from '../core/sample-rate.js'
import type { ProxyMetrics } from '../io/metrics.js'
import { within } from '../io/within.js'

export interface ExplanationSinkOptions {
  /** Plain requests that are kept a second, and a tenth of the unusual ones; 0: none. */
  readonly perSecond: number
  /** Stores JSON lines, off this thread; never rejects. */
  readonly store: (rows: readonly string[]) => Promise<StoreOutcome>
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  readonly metrics: Pick<ProxyMetrics, 'explanationsDropped' | 'explanationsBuffered'>
}

export interface RunningExplanationSink extends ExplanationSink {
  /** Stores what is there, for at most the deadline; whether that was all. What comes later is not taken. */
  close(deadlineMs: number): Promise<boolean>
}

interface Batch {
  readonly rows: string[]
  length: number
}

const INTERVAL_MS = 1_000
/** After a failure the store is left alone for so long, unless this closes. */
const PAUSE_MS = 5_000
const RETRY_MS = 200
const UNUSUAL_FACTOR = 10
const BATCH_ROWS = 1_000
/** Characters, nearly all of which take one byte. */
const BATCH_LENGTH = 1024 * 1024
const MOST_ROWS = 10_000
const MOST_LENGTH = 16 * 1024 * 1024

/**
 * Holds explanations in memory until they are stored: every second, or by the thousand. While they cannot be, the oldest
 * give way. A row is written when its request has ended (some 15 µs with eight nodes considered), one at a time, since
 * a thousand at once would hold up every stream; as text it goes to the thread that stores it at the price of a copy, half of
 * what handing over the object takes.
 */
export function createExplanationSink(options: ExplanationSinkOptions): RunningExplanationSink {
  const { perSecond, store, now, metrics } = options
  const plain = new SampleRate(perSecond)
  const unusual = new SampleRate(perSecond * UNUSUAL_FACTOR)
  /** Oldest first. */
  const waiting: Batch[] = []
  let filling: Batch = { rows: [], length: 0 }
  let sending: Batch | null = null
  let closing = false
  let pausedUntil = 0

  const held = (of: 'rows' | 'length') => {
    const size = (batch: Batch) => (of === 'rows' ? batch.rows.length : batch.length)
    return waiting.reduce((sum, batch) => sum + size(batch), size(filling) + (sending ? size(sending) : 0))
  }

  const dropped = ({ rows }: Batch) => {
    metrics.explanationsDropped.inc(rows.length)
  }

  /** Puts what is being filled in line. The oldest that wait give way to it. */
  const lineUp = () => {
    if (filling.rows.length === 0) return
    waiting.push(filling)
    filling = { rows: [], length: 0 }
    while (held('rows') > MOST_ROWS || held('length') > MOST_LENGTH) {
      const oldest = waiting.shift()
      if (oldest === undefined) return
      dropped(oldest)
    }
  }

  /** @returns whether all that waits was stored */
  const send = async (): Promise<boolean> => {
    if (sending !== null) return false
    for (;;) {
      const batch = waiting.shift()
      if (batch === undefined) return true
      sending = batch
      const outcome = await store(batch.rows)
      sending = null
      if (outcome === 'refused') dropped(batch)
      else if (outcome === 'failed') {
        waiting.unshift(batch)
        pausedUntil = now() + PAUSE_MS
        return false
      }
    }
  }

  const tick = () => {
    lineUp()
    if (now() >= pausedUntil) void send()
  }
  const timer = setInterval(() => {
    tick()
    metrics.explanationsBuffered.set(held('rows'))
  }, INTERVAL_MS)

  return {
    sample: () => perSecond > 0 && plain.take(now()),

    record(request) {
      if (closing) return
      const odd = isUnusual(request)
      if (odd && !unusual.take(now())) return
      const row = explanationLine(request, odd ? unusual.share : plain.share)
      filling.rows.push(row)
      filling.length += row.length
      if (filling.rows.length >= BATCH_ROWS || filling.length >= BATCH_LENGTH) tick()
    },

    async close(deadlineMs) {
      closing = true
      clearInterval(timer)
      lineUp()
      const until = performance.now() + deadlineMs
      const leftMs = () => Math.max(0, until - performance.now())
      while ((await within(leftMs(), send())) !== true && leftMs() > 0)
        await sleep(Math.min(RETRY_MS, leftMs()))
      const left = held('rows')
      metrics.explanationsDropped.inc(left)
      metrics.explanationsBuffered.set(0)
      return left === 0
    },
  }
}
