// Hot path: a begin and an end for each request, a progress for each stream that moved.
import { mkdirSync } from 'node:fs'
import { RECORD_BEGIN, RECORD_END, SpoolEncoder, segmentFile, spoolEpoch } from '../core/spool-format.js'
import { SegmentFile } from './spool-segment.js'
import { SwapList, type Placed } from './swap-list.js'

/** A request as the spool sees it; implemented by the proxy's exchange. */
export interface SpoolEntry {
  /** Set by {@link Spool.begin}; 0: not in the spool. */
  spoolId: number
  /** JSON of the request's UsageIdentity; asked for again when a new segment repeats what is open. */
  beginLine(): Buffer
  /** Progress so far. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
  /** Unix microseconds; 0: no token yet. */
  readonly firstTokenAtMicros: number
  /** True while queued for the next progress write; the spool's own. */
  spoolMoved: boolean
  /** Its place among the open ones once the begin is written; the spool's own. */
  spoolOpen?: OpenEntry | null
  /** The begin is in the kernel: the node may be asked. */
  begun(): void
  /** It could not be written: the request must be refused (`storage_full`). */
  beginFailed(error: unknown): void
}

export interface SpoolStats {
  readonly segments: number
  readonly bytesWritten: number
  readonly recordsWritten: number
  /** Ends that wait for the disk to take them. */
  readonly pendingEnds: number
  readonly openEntries: number
  readonly writable: boolean
  readonly lastError: unknown
}

export interface Spool {
  /** Name of this process's segments. */
  readonly epoch: string
  /** Queues the begin; one write takes all begins and ends of a tick, then each entry hears of it. */
  begin(entry: SpoolEntry): void
  /**
   * Marks the entry for the next progress write, at most 50 ms away. Called for each read of a stream, so that a turn
   * of the event loop which takes longer does not put the write off.
   * @param atMs `performance.now()`
   */
  progress(entry: SpoolEntry, atMs?: number): void
  /** Queues the finished row; it is kept and tried again for as long as the disk refuses it. */
  end(entry: SpoolEntry, line: Buffer): void
  /** False while the disk refuses writes; tried again every second. */
  readonly writable: boolean
  readonly openCount: number
  /** Writes all that is queued now. */
  flushNow(): void
  /** Writes and syncs all that is queued, then closes. Rejects when ended requests could not be written. */
  close(): Promise<void>
  stats(): SpoolStats
}

export interface SpoolOptions {
  readonly directory: string
  /** Unix microseconds. */
  readonly now: () => number
  /** Hears of every failed write and sync. */
  readonly onError: (error: unknown) => void
  readonly segmentBytes?: number
}

/** Half of the promised 100 ms, so that a late timer still keeps the promise. */
const BEAT_MS = 50
/** The timer is that late: its turn of the event loop is still to come. */
const OVERDUE_MS = 70
const RETRY_MS = 1_000
const SEGMENT_BYTES = 64 * 1024 * 1024
/** More than a file system's block, so that the write which ends an outage needs real space. */
const PROBE_BYTES = 8 * 1024

/** A request whose begin is written and whose end is not. */
export interface OpenEntry extends Placed {
  readonly entry: SpoolEntry
  readonly spoolId: number
  /** When its last progress was written; 0: never. */
  progressAtMicros: number
}

interface PendingEnd {
  readonly spoolId: number
  readonly line: Buffer
  /** Null: its begin was never written. */
  readonly open: OpenEntry | null
}

/** @throws the file system's error when the directory cannot be made; a full disk makes it start unwritable. */
export function openSpool(options: SpoolOptions): Spool {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  const spool = new SpoolWriter(options)
  spool.flushNow()
  return spool
}

class SpoolWriter implements Spool {
  readonly epoch: string
  readonly #options: SpoolOptions
  readonly #segmentBytes: number
  readonly #encoder = new SpoolEncoder()
  /** In the spool with a begin and no end yet, in order of their ids. */
  readonly #open = new SwapList<OpenEntry>()
  #begins: SpoolEntry[] = []
  #ends: PendingEnd[] = []
  #moved: SpoolEntry[] = []
  /** When the first of those moved, in `performance.now()`. */
  #movedSince = 0
  #segment: SegmentFile | null = null
  #segments = 0
  #lastId = 0
  #writable = true
  #lastError: unknown = null
  #bytesWritten = 0
  #recordsWritten = 0
  #unsynced = false
  #closed = false
  #tick: NodeJS.Immediate | null = null
  #beat: NodeJS.Timeout | null = null
  #retry: NodeJS.Timeout | null = null

  constructor(options: SpoolOptions) {
    this.#options = options
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.epoch = spoolEpoch(options.now(), process.pid)
  }

  get writable(): boolean {
    return this.#writable
  }

  get openCount(): number {
    return this.#open.size
  }

  begin(entry: SpoolEntry): void {
    entry.spoolId = ++this.#lastId
    this.#begins.push(entry)
    this.#schedule()
  }

  progress(entry: SpoolEntry, atMs = performance.now()): void {
    if (entry.spoolId === 0) return
    if (!entry.spoolMoved) {
      entry.spoolMoved = true
      if (this.#moved.push(entry) === 1) this.#movedSince = atMs
      this.#beat ??= setTimeout(this.#onBeat, BEAT_MS)
    }
    if (atMs - this.#movedSince >= OVERDUE_MS && this.#writable) this.#flush(true)
  }

  end(entry: SpoolEntry, line: Buffer): void {
    if (entry.spoolId === 0) {
      this.#options.onError(new Error('a usage record ended that is not in the spool'))
      return
    }
    // Ended before its begin was written: the end alone makes the row, and nobody waits for the begin.
    const open = entry.spoolOpen ?? null
    if (open === null) this.#begins = this.#begins.filter((begin) => begin !== entry)
    this.#ends.push({ spoolId: entry.spoolId, line, open })
    entry.spoolId = 0
    entry.spoolOpen = null
    this.#schedule()
  }

  flushNow(): void {
    this.#flush(this.#moved.length > 0)
  }

  async close(): Promise<void> {
    this.#flush(true)
    this.#closed = true
    for (const timer of [this.#beat, this.#retry]) if (timer !== null) clearTimeout(timer)
    if (this.#tick !== null) clearImmediate(this.#tick)
    await new Promise<void>((resolve) => {
      if (this.#segment === null) resolve()
      else this.#segment.retire(resolve)
    })
    this.#segment = null
    this.#writable = false
    if (this.#ends.length > 0) {
      throw new Error(`${this.#ends.length} usage records could not be written`, { cause: this.#lastError })
    }
  }

  stats(): SpoolStats {
    return {
      segments: this.#segments,
      bytesWritten: this.#bytesWritten,
      recordsWritten: this.#recordsWritten,
      pendingEnds: this.#ends.length,
      openEntries: this.#open.size,
      writable: this.#writable,
      lastError: this.#lastError,
    }
  }

  #schedule(): void {
    this.#tick ??= setImmediate(this.#onTick)
  }

  readonly #onTick = (): void => {
    this.#tick = null
    if (this.#writable) this.#flush(false)
    else this.#refuse(this.#takeBegins(), this.#lastError)
  }

  readonly #onBeat = (): void => {
    this.#beat = null
    if (this.#writable && this.#moved.length > 0) this.#flush(true)
    this.#sync()
  }

  readonly #onRetry = (): void => {
    this.#retry = null
    this.#flush(true)
  }

  #takeBegins(): SpoolEntry[] {
    const begins = this.#begins
    this.#begins = []
    return begins
  }

  /** The one way to the disk: all begins and ends that are queued, and the progress of what moved if asked for. */
  #flush(withProgress: boolean): void {
    const begins = this.#takeBegins()
    const encoder = this.#encoder
    const now = this.#options.now()
    try {
      encoder.reset()
      this.#encodeQueued(begins, withProgress, now)
      if (encoder.length === 0 && !this.#writable) encoder.padding(PROBE_BYTES)
      if (this.#needsSegment()) this.#rotate(begins, withProgress, now)
      else this.#segment?.append(encoder.bytes())
    } catch (error) {
      this.#failed(error)
      this.#refuse(begins, error)
      return
    }
    this.#bytesWritten += encoder.length
    this.#recordsWritten += begins.length + this.#ends.length
    this.#writable = true
    this.#forgetWritten(withProgress)
    this.#unsynced = true
    this.#beat ??= setTimeout(this.#onBeat, BEAT_MS)
    for (const entry of begins) {
      const open = { entry, spoolId: entry.spoolId, progressAtMicros: 0, place: -1 }
      entry.spoolOpen = open
      this.#open.add(open)
    }
    for (const entry of begins) {
      try {
        entry.begun()
      } catch (error) {
        this.#options.onError(error)
      }
    }
  }

  #encodeQueued(begins: readonly SpoolEntry[], withProgress: boolean, now: number): void {
    for (const entry of begins) this.#encoder.line(RECORD_BEGIN, entry.spoolId, entry.beginLine())
    if (withProgress) {
      for (const entry of this.#moved) {
        const open = entry.spoolOpen ?? null
        if (open === null) continue
        open.progressAtMicros = now
        this.#encodeProgress(open)
      }
    }
    for (const end of this.#ends) this.#encoder.line(RECORD_END, end.spoolId, end.line)
  }

  #encodeProgress({ entry, spoolId, progressAtMicros }: OpenEntry): void {
    this.#encoder.progress(spoolId, {
      promptTokens: entry.promptTokens,
      cachedTokens: entry.cachedTokens,
      completionTokens: entry.completionTokens,
      firstTokenAtMicros: entry.firstTokenAtMicros,
      atMicros: progressAtMicros,
    })
  }

  #needsSegment(): boolean {
    const segment = this.#segment
    if (segment === null || segment.damaged) return true
    return segment.size > 0 && segment.size + this.#encoder.length > this.#segmentBytes
  }

  /**
   * Starts a segment with everything that is open, in one write with what is queued, so that the last segment of
   * an epoch alone tells what was open. An entry whose end is still queued counts as open: should this write be
   * torn, its begin must not have stayed behind in the segment before. A segment that has a successor, also one
   * that failed, is never written again: readers have moved on.
   */
  #rotate(begins: readonly SpoolEntry[], withProgress: boolean, now: number): void {
    this.#segment?.retire()
    this.#segment = null
    const segment = new SegmentFile(this.#options.directory, segmentFile(this.epoch, this.#segments))
    this.#segments++
    try {
      this.#encoder.reset()
      this.#open.each((open) => {
        this.#encoder.line(RECORD_BEGIN, open.spoolId, open.entry.beginLine())
        if (open.progressAtMicros > 0) this.#encodeProgress(open)
      })
      this.#encodeQueued(begins, withProgress, now)
      segment.append(this.#encoder.bytes())
    } catch (error) {
      segment.discard()
      throw error
    }
    this.#segment = segment
  }

  #forgetWritten(withProgress: boolean): void {
    for (const { open } of this.#ends) if (open !== null) this.#open.delete(open)
    this.#ends = []
    if (!withProgress) return
    for (const entry of this.#moved) entry.spoolMoved = false
    this.#moved = []
  }

  #failed(error: unknown): void {
    this.#writable = false
    this.#lastError = error
    if (!this.#closed) this.#retry ??= setTimeout(this.#onRetry, RETRY_MS)
    // Only a lack of space ends by itself in the same file; whatever else it was, a new file may be free of it.
    if (!isOutOfSpace(error) && this.#segment !== null) {
      this.#segment.retire()
      this.#segment = null
    }
    this.#options.onError(error)
  }

  #refuse(begins: readonly SpoolEntry[], error: unknown): void {
    for (const entry of begins) {
      entry.spoolId = 0
      try {
        entry.beginFailed(error)
      } catch (thrown) {
        this.#options.onError(thrown)
      }
    }
  }

  #sync(): void {
    if (!this.#unsynced || this.#segment === null) return
    const started = this.#segment.sync((error) => {
      if (error !== null) this.#failed(error)
    })
    if (started) this.#unsynced = false
    else this.#beat ??= setTimeout(this.#onBeat, BEAT_MS)
  }
}

function isOutOfSpace(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}
