import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import { RowsRefusedError } from './insert-rows.js'
import type { UsageBatch } from './usage-batch.js'
import { insertUsage } from './usage-insert.js'
import { SpoolDirectory } from './usage-spool-directory.js'

export interface UsageBacklog {
  /** Bytes of spool that ClickHouse has not acknowledged. */
  readonly bytes: number
  /** Rows of the batch that is being sent. */
  readonly rowsInFlight: number
  /** Time since everything was acknowledged (or this flusher started); 0 when there is nothing to send. */
  readonly oldestAgeMs: number
  /** Since the start. */
  readonly rowsSent: number
  /** Inserts that these took. */
  readonly batchesSent: number
  readonly failedInserts: number
}

export interface UsageFlusherOptions {
  /** The spool directory of this process's slot. */
  readonly directory: string
  /** The epoch that this process writes there; every other one is dead. Null: none is alive. */
  readonly liveEpoch: string | null
  /** Directories of slots that exist no more. */
  readonly adoptedDirectories?: readonly string[]
  readonly clickhouse: ClickHouseClient
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** Time from one look at the spool to the next, or as long as the look takes. */
  readonly intervalMs?: number
  /** Most rows of an insert. */
  readonly maxBatchRows?: number | undefined
  /** Heard after each look and each failed insert, and every second while an insert takes its time. */
  readonly onBacklog?: (backlog: UsageBacklog) => void
}

export interface UsageFlusher extends AsyncDisposable {
  /**
   * Sends what is there, for at most `deadlineMs`, then ends; true when everything was acknowledged. What is not
   * stays in the spool for the next start. Call it after the spool was closed.
   */
  stop(deadlineMs?: number): Promise<boolean>
}

/**
 * Usage has to be readable within 2 s. An insert costs ClickHouse about 20 ms however few its rows are (parts in three
 * tables, and their merges), so the longer the wait, the cheaper a request (`bench usage flush --rate`).
 */
const INTERVAL_MS = 1_000
const DRAIN_MS = 10_000
const REPORT_MS = 1_000
const FIRST_BACKOFF_MS = 200
const LONGEST_BACKOFF_MS = 15_000
const LONGEST_DRAIN_BACKOFF_MS = 500

/**
 * Carries usage records from the spool into ClickHouse: each exactly once, whatever is killed when. Retries for
 * ever. Its file access is synchronous: it belongs in a worker thread or a process of its own.
 */
export function startUsageFlusher(options: UsageFlusherOptions): UsageFlusher {
  const flusher = new Flusher(options)
  return {
    stop: (deadlineMs = DRAIN_MS) => flusher.stop(deadlineMs),
    [Symbol.asyncDispose]: async () => {
      await flusher.stop(0)
    },
  }
}

class Flusher {
  readonly #options: UsageFlusherOptions
  /** Opened when first looked at, so that one that cannot be read stops no other. */
  readonly #directories = new Map<string, SpoolDirectory>()
  readonly #deadline = new AbortController()
  readonly #running: Promise<boolean>
  readonly #wake = new AbortController()
  #stopping = false
  #caughtUpAt: number
  #rowsInFlight = 0
  #rowsSent = 0
  #batchesSent = 0
  #failedInserts = 0

  constructor(options: UsageFlusherOptions) {
    this.#options = options
    this.#caughtUpAt = options.now()
    this.#running = this.#run()
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping = true
    this.#wake.abort()
    const timer = setTimeout(() => {
      this.#deadline.abort()
    }, deadlineMs)
    try {
      return await this.#running
    } finally {
      clearTimeout(timer)
    }
  }

  async #run(): Promise<boolean> {
    for (;;) {
      // Read first: a stop that comes during a look asks for another one.
      const last = this.#stopping
      const lookedAt = performance.now()
      const caughtUp = await this.#look()
      this.#report()
      if (last && (caughtUp || this.#deadline.signal.aborted)) return caughtUp
      const sinceLook = performance.now() - lookedAt
      if (!this.#stopping)
        await this.#pause(Math.max(0, (this.#options.intervalMs ?? INTERVAL_MS) - sinceLook))
      else if (!caughtUp) await this.#pause(FIRST_BACKOFF_MS)
    }
  }

  /** @returns whether all that was in the directories at the start is in ClickHouse now */
  async #look(): Promise<boolean> {
    const startedAt = this.#options.now()
    const { directory, adoptedDirectories = [] } = this.#options
    let caughtUp = true
    for (const path of [directory, ...adoptedDirectories]) {
      try {
        await this.#open(path).flush()
      } catch (error) {
        caughtUp = false
        if (this.#deadline.signal.aborted) return false
        this.#options.logger.error({ event: 'usage_flush_failed', directory: path, error })
      }
    }
    if (caughtUp) this.#caughtUpAt = startedAt
    return caughtUp
  }

  #open(path: string): SpoolDirectory {
    const known = this.#directories.get(path)
    if (known !== undefined) return known
    const { directory, liveEpoch, logger, now, maxBatchRows } = this.#options
    const opened = new SpoolDirectory({
      directory: path,
      liveEpoch: path === directory ? liveEpoch : null,
      send: (batch) => this.#send(batch),
      logger,
      now,
      maxBatchRows,
    })
    this.#directories.set(path, opened)
    return opened
  }

  /** Sends one batch until it is acknowledged, refused, or the deadline has passed. */
  async #send(batch: UsageBatch): Promise<void> {
    this.#rowsInFlight = batch.rows
    // An insert that hangs is told of as well.
    const reporting = setInterval(() => {
      this.#report()
    }, REPORT_MS)
    try {
      for (let attempt = 0; ; attempt++) {
        // The client does not look at a signal that was aborted before.
        this.#deadline.signal.throwIfAborted()
        try {
          await insertUsage(this.#options.clickhouse, batch, this.#deadline.signal)
          this.#rowsSent += batch.rows
          this.#batchesSent++
          return
        } catch (error) {
          if (error instanceof RowsRefusedError || this.#deadline.signal.aborted) throw error
          this.#failedInserts++
          this.#options.logger.warn({ event: 'usage_insert_failed', attempt, rows: batch.rows, error })
          this.#report()
          await this.#backOff(attempt)
        }
      }
    } finally {
      clearInterval(reporting)
      this.#rowsInFlight = 0
    }
  }

  /** Doubling with full jitter on the upper half, so that many proxies do not come back as one. */
  async #backOff(attempt: number): Promise<void> {
    const ceiling = this.#stopping ? LONGEST_DRAIN_BACKOFF_MS : LONGEST_BACKOFF_MS
    const longest = Math.min(ceiling, FIRST_BACKOFF_MS * 2 ** Math.min(attempt, 10))
    await this.#pause(longest * (0.5 + Math.random() / 2))
    this.#deadline.signal.throwIfAborted()
  }

  /** Ends early when told to stop, or at the deadline. */
  async #pause(ms: number): Promise<void> {
    const signal = this.#stopping ? this.#deadline.signal : this.#wake.signal
    await sleep(ms, undefined, { signal }).catch(() => {})
  }

  #report(): void {
    const { onBacklog, now } = this.#options
    if (onBacklog === undefined) return
    let bytes = 0
    for (const directory of this.#directories.values()) bytes += directory.backlogBytes()
    const behind = bytes > 0 || this.#rowsInFlight > 0
    onBacklog({
      bytes,
      rowsInFlight: this.#rowsInFlight,
      oldestAgeMs: behind ? Math.max(0, now() - this.#caughtUpAt) : 0,
      rowsSent: this.#rowsSent,
      batchesSent: this.#batchesSent,
      failedInserts: this.#failedInserts,
    })
  }
}
