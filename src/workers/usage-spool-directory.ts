import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { lostRequestLine } from '../core/lost-request.js'
import { RECORD_END, SpoolEncoder, lostFile, parseSegmentFile } from '../core/spool-format.js'
import { parseIdentityLine } from '../core/usage-line.js'
import { readBatch, type UsageBatch } from './usage-batch.js'
import {
  appendDurably,
  isMissing,
  loadFlushState,
  saveFlushState,
  syncFile,
  writeDurably,
  type FlushState,
} from './usage-flush-state.js'
import { RowsRefusedError } from './insert-rows.js'
import { openRequests } from './usage-lost.js'

export const MAX_BATCH_ROWS = 20_000
/** The rows of a full batch are about 16 MB. */
const MAX_BYTES = 24 * 1024 * 1024
const KEEP_MS = 3_600_000
const QUARANTINE_FILE = 'quarantine.ndjson'

export interface SpoolDirectoryOptions {
  readonly directory: string
  /** The epoch that is still being written; null: none in this directory. */
  readonly liveEpoch: string | null
  /** Resolves when the rows are in ClickHouse; rejects with RowsRefusedError, or when told to stop. */
  readonly send: (batch: UsageBatch) => Promise<void>
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** Most rows that are sent at once; default {@link MAX_BATCH_ROWS}. */
  readonly maxBatchRows?: number | undefined
}

interface Segment {
  readonly file: string
  readonly size: number
}

interface Cursor {
  readonly segment: string
  readonly offset: number
}

/**
 * One spool directory on its way into ClickHouse. For each epoch a durable position says what was acknowledged;
 * before a batch is sent, the state file names it, so that after a crash it is sent again with the same bytes and
 * token. When all ends of a dead epoch are in, its requests without an end are written as rows into a last segment
 * of their own, and go the same way.
 */
export class SpoolDirectory {
  readonly #options: SpoolDirectoryOptions
  readonly #state: FlushState
  /** How far was read; past the position where there are records but no rows. */
  readonly #cursors = new Map<string, Cursor>()
  readonly #mostRows: number
  /** Fewer while a row that is refused is searched for. */
  #maxRows: number

  /** @throws when the state file cannot be understood */
  constructor(options: SpoolDirectoryOptions) {
    this.#options = options
    this.#mostRows = options.maxBatchRows ?? MAX_BATCH_ROWS
    this.#maxRows = this.#mostRows
    this.#state = loadFlushState(options.directory)
  }

  /** Sends everything that stood in the directory when it was called. */
  async flush(): Promise<void> {
    await this.#sendInFlight()
    const { liveEpoch } = this.#options
    for (const [epoch, segments] of this.#epochs()) {
      await this.#flushEpoch(epoch, segments, epoch !== liveEpoch)
      if (epoch !== liveEpoch) await this.#concludeEpoch(epoch, segments)
    }
    this.#removeDone()
  }

  /** Bytes that were not read yet, or not acknowledged. */
  backlogBytes(): number {
    let bytes = 0
    for (const [epoch, segments] of this.#epochs()) {
      const cursor = this.#cursors.get(epoch) ?? this.#state.positions[epoch]
      for (const { file, size } of segments) {
        if (cursor === undefined || file > cursor.segment) bytes += size
        else if (file === cursor.segment) bytes += Math.max(0, size - cursor.offset)
      }
    }
    return bytes
  }

  async #sendInFlight(): Promise<void> {
    const { inFlight } = this.#state
    if (inFlight === null) return
    const batch = readBatch(this.#path(inFlight.segment), {
      start: inFlight.start,
      stop: inFlight.end,
      final: true,
      maxRows: Infinity,
      maxBytes: Infinity,
    })
    if (batch.token !== inFlight.token) {
      throw new Error(
        `the spool has changed under batch ${inFlight.segment}:${inFlight.start}; not sent again`,
      )
    }
    await this.#sendJournaled(inFlight.segment, batch)
  }

  async #flushEpoch(epoch: string, segments: readonly Segment[], dead: boolean): Promise<void> {
    for (const [index, { file, size }] of segments.entries()) {
      const from = this.#cursor(epoch)
      if (from !== undefined && file < from.segment) continue
      let offset = from?.segment === file ? from.offset : 0
      // A segment with a successor is finished. The last one is read up to where it ended at the listing, or
      // batches would get ever smaller.
      const final = dead || index < segments.length - 1
      for (;;) {
        const batch = readBatch(this.#path(file), {
          start: offset,
          stop: size,
          final,
          maxRows: this.#maxRows,
          maxBytes: MAX_BYTES,
        })
        this.#reportDamage(file, batch)
        if (batch.rows > 0 && !(await this.#send(file, batch))) continue
        offset = batch.end
        this.#cursors.set(epoch, { segment: file, offset })
        if (batch.rows === 0) break
      }
    }
  }

  /** @returns false when the batch was refused and has to be cut smaller */
  async #send(segment: string, batch: UsageBatch): Promise<boolean> {
    const { start, end, rows, token } = batch
    // The spool syncs a little later; a power cut must not leave a batch in flight whose rows are gone.
    syncFile(this.#path(segment))
    this.#state.inFlight = { segment, start, end, rows, token }
    this.#save()
    return this.#sendJournaled(segment, batch)
  }

  async #sendJournaled(segment: string, batch: UsageBatch): Promise<boolean> {
    try {
      await this.#options.send(batch)
      this.#maxRows = Math.min(this.#mostRows, this.#maxRows * 2)
    } catch (error) {
      if (!(error instanceof RowsRefusedError)) throw error
      // Nothing of it was inserted. Halved until the row at fault stands alone.
      if (batch.rows > 1) {
        this.#maxRows = Math.ceil(batch.rows / 2)
        this.#state.inFlight = null
        return false
      }
      this.#quarantine(batch.body, error)
    }
    const epoch = parseSegmentFile(segment)?.epoch
    if (epoch === undefined) throw new Error(`${segment} is not a segment`)
    this.#state.inFlight = null
    this.#state.positions[epoch] = { segment, offset: batch.end }
    this.#save()
    return true
  }

  /** Makes rows of the requests that a dead epoch left open, sends them and marks all of it as done. */
  async #concludeEpoch(epoch: string, segments: readonly Segment[]): Promise<void> {
    const file = lostFile(epoch)
    if (segments.at(-1)?.file !== file) {
      this.#writeLostFile(epoch, segments)
      await this.#flushEpoch(epoch, [{ file, size: statSync(this.#path(file)).size }], true)
    }
    if (this.#state.positions[epoch]?.segment === file) return
    this.#state.positions[epoch] = { segment: file, offset: 0 }
    this.#save()
  }

  /**
   * The position's segment began with all that was open then, so nothing before it is needed. The file is written
   * once and stays: what is sent from it is the same after any crash.
   */
  #writeLostFile(epoch: string, segments: readonly Segment[]): void {
    const from = this.#state.positions[epoch]?.segment ?? ''
    const lost = openRequests(segments.filter(({ file }) => file >= from).map(({ file }) => this.#path(file)))
    const encoder = new SpoolEncoder()
    for (const { spoolId, line, progress } of lost) {
      try {
        encoder.line(RECORD_END, spoolId, lostRequestLine(parseIdentityLine(line), progress))
      } catch (error) {
        this.#quarantine(Buffer.from(`${line}\n`), error)
      }
    }
    if (lost.length > 0) {
      this.#options.logger.warn(
        { event: 'requests_lost', epoch, requests: lost.length },
        'billed by last progress',
      )
    }
    writeDurably(this.#path(lostFile(epoch)), encoder.bytes())
  }

  #quarantine(line: Buffer, error: unknown): void {
    const file = this.#path(QUARANTINE_FILE)
    appendDurably(file, line)
    this.#options.logger.error({ event: 'usage_row_refused', file, error }, 'a usage row was put aside')
  }

  #reportDamage(segment: string, { start, end, skippedBytes }: UsageBatch): void {
    if (skippedBytes === 0) return
    this.#options.logger.error({ event: 'spool_damage', segment, start, end, skippedBytes }, 'not a record')
  }

  /** Deletes what has been done with for an hour: dead epochs, and of the live one what lies before its position. */
  #removeDone(): void {
    const before = JSON.stringify(this.#state.done)
    const now = this.#options.now()
    const done: Record<string, number> = {}
    const epochs = this.#epochs()
    for (const [epoch, segments] of epochs) {
      const position = this.#state.positions[epoch]
      for (const { file } of segments) {
        if (position === undefined) continue
        const whole = epoch !== this.#options.liveEpoch && position.segment === lostFile(epoch)
        if (!whole && file >= position.segment) continue
        const since = this.#state.done[file] ?? now
        if (now - since < KEEP_MS) done[file] = since
        else removeFile(this.#path(file))
      }
    }
    this.#state.done = done
    for (const epoch of Object.keys(this.#state.positions)) {
      if (epochs.has(epoch) || epoch === this.#options.liveEpoch) continue
      delete this.#state.positions[epoch]
      this.#cursors.delete(epoch)
    }
    if (JSON.stringify(done) !== before) this.#save()
  }

  /** Epochs with their segments, both in order. */
  #epochs(): Map<string, Segment[]> {
    const epochs = new Map<string, Segment[]>()
    for (const file of listFiles(this.#options.directory)) {
      const epoch = parseSegmentFile(file)?.epoch
      const size =
        epoch === undefined ? undefined : statSync(this.#path(file), { throwIfNoEntry: false })?.size
      // A segment whose first write failed is gone again.
      if (epoch === undefined || size === undefined) continue
      const segments = epochs.get(epoch) ?? []
      segments.push({ file, size })
      epochs.set(epoch, segments)
    }
    return epochs
  }

  #cursor(epoch: string): Cursor | undefined {
    return this.#cursors.get(epoch) ?? this.#state.positions[epoch]
  }

  #path(file: string): string {
    return join(this.#options.directory, file)
  }

  #save(): void {
    saveFlushState(this.#options.directory, this.#state)
  }
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
