import { crc32 } from 'node:zlib'

/**
 * The usage spool's record format, all integers little-endian:
 *
 *     crc32 u32 | magic u8 | type u8 | spoolId u48 | length u32 | payload (length bytes)
 *
 * The checksum covers everything after itself, so no field can change unnoticed. `begin` and `end` carry text
 * (a JSON line), `progress` blocks of numbers, one for each request that moved and each with its own id (the record's is
 * 0), `padding` is skipped. A reader that meets anything else looks for the next byte string that is a whole valid record.
 */
export const RECORD_PADDING = 0
export const RECORD_BEGIN = 1
export const RECORD_PROGRESS = 2
export const RECORD_END = 3

export type SpoolRecordType =
  typeof RECORD_PADDING | typeof RECORD_BEGIN | typeof RECORD_PROGRESS | typeof RECORD_END

/** Also the format's version: another layout takes another byte. */
const MAGIC = 0xc2
const HEADER_BYTES = 16
/** Bounds what a damaged length can ask a reader to wait for; lines are about 1 KiB. */
export const MAX_PAYLOAD_BYTES = 1 << 20
export const MAX_RECORD_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES
/** spoolId u48 | prompt, cached, completion tokens u32 | first token, observation in Unix microseconds f64 */
const PROGRESS_BYTES = 34
/** A torn record is lost as a whole, so it does not grow without end. */
const MOST_PROGRESS = 1_000

export interface SpoolProgress {
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  /** Unix microseconds; 0: no token yet. */
  firstTokenAtMicros: number
  /** Unix microseconds of this observation. */
  atMicros: number
}

export interface SpoolRecord {
  readonly type: SpoolRecordType
  readonly spoolId: number
  /** A view of the bytes that were read. */
  readonly payload: Buffer
  /** Where the next record starts. */
  readonly next: number
}

/** Encodes records one after another into a buffer that grows and is used again. */
export class SpoolEncoder {
  #bytes: Buffer
  #length = 0
  readonly #initialBytes: number

  constructor(initialBytes = 256 * 1024) {
    this.#initialBytes = initialBytes
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Where the `progress` record that is being filled begins; -1: none is. */
  #progressStart = -1

  get length(): number {
    return this.#length
  }

  /** The records since the last {@link reset}; valid until the next call. */
  bytes(): Buffer {
    this.#endProgress()
    return this.#bytes.subarray(0, this.#length)
  }

  reset(): void {
    this.#length = 0
    this.#progressStart = -1
    if (this.#bytes.length > this.#initialBytes * 16) this.#bytes = Buffer.allocUnsafeSlow(this.#initialBytes)
  }

  /** A `begin` or `end` record; `line` is copied. */
  line(type: typeof RECORD_BEGIN | typeof RECORD_END, spoolId: number, line: Buffer): void {
    this.#endProgress()
    const start = this.#reserve(HEADER_BYTES + line.length)
    this.#bytes.set(line, start + HEADER_BYTES)
    this.#seal(start, type, spoolId, line.length)
  }

  /**
   * One request's progress. Those that follow one another share a record: its checksum and header cost more than the
   * numbers.
   */
  progress(spoolId: number, progress: Readonly<SpoolProgress>): void {
    if (this.#progressStart < 0) {
      this.#progressStart = this.#reserve(HEADER_BYTES)
      this.#length += HEADER_BYTES
    }
    const at = this.#reserve(PROGRESS_BYTES)
    const bytes = this.#bytes
    bytes.writeUIntLE(spoolId, at, 6)
    bytes.writeUInt32LE(asUInt32(progress.promptTokens), at + 6)
    bytes.writeUInt32LE(asUInt32(progress.cachedTokens), at + 10)
    bytes.writeUInt32LE(asUInt32(progress.completionTokens), at + 14)
    bytes.writeDoubleLE(progress.firstTokenAtMicros, at + 18)
    bytes.writeDoubleLE(progress.atMicros, at + 26)
    this.#length += PROGRESS_BYTES
    if (this.#length - this.#progressStart >= HEADER_BYTES + MOST_PROGRESS * PROGRESS_BYTES) {
      this.#endProgress()
    }
  }

  /** A record that readers skip. */
  padding(length: number): void {
    this.#endProgress()
    const start = this.#reserve(HEADER_BYTES + length)
    this.#bytes.fill(0, start + HEADER_BYTES, start + HEADER_BYTES + length)
    this.#seal(start, RECORD_PADDING, 0, length)
  }

  #endProgress(): void {
    const start = this.#progressStart
    if (start < 0) return
    this.#progressStart = -1
    this.#seal(start, RECORD_PROGRESS, 0, this.#length - start - HEADER_BYTES)
  }

  /** Makes room behind what is there. @returns where that room begins */
  #reserve(moreBytes: number): number {
    const needed = this.#length + moreBytes
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    return this.#length
  }

  #seal(start: number, type: SpoolRecordType, spoolId: number, length: number): void {
    if (length > MAX_PAYLOAD_BYTES) throw new RangeError(`a spool record of ${length} bytes is too large`)
    const bytes = this.#bytes
    bytes[start + 4] = MAGIC
    bytes[start + 5] = type
    bytes.writeUIntLE(spoolId, start + 6, 6)
    bytes.writeUInt32LE(length, start + 12)
    const end = start + HEADER_BYTES + length
    bytes.writeUInt32LE(crc32(bytes.subarray(start + 4, end)), start)
    this.#length = end
  }
}

/**
 * The record at `offset`; `incomplete` when more bytes may make one of what is there, `corrupt` when none can.
 */
export function readSpoolRecord(bytes: Buffer, offset: number): SpoolRecord | 'incomplete' | 'corrupt' {
  const available = bytes.length - offset
  if (available > 4 && bytes[offset + 4] !== MAGIC) return 'corrupt'
  if (available < HEADER_BYTES) return 'incomplete'
  const type = recordType(bytes[offset + 5])
  const length = bytes.readUInt32LE(offset + 12)
  if (type === undefined || length > MAX_PAYLOAD_BYTES) return 'corrupt'
  const next = offset + HEADER_BYTES + length
  if (next > bytes.length) return 'incomplete'
  if (crc32(bytes.subarray(offset + 4, next)) !== bytes.readUInt32LE(offset)) return 'corrupt'
  return {
    type,
    spoolId: bytes.readUIntLE(offset + 6, 6),
    payload: bytes.subarray(offset + HEADER_BYTES, next),
    next,
  }
}

/** Offset of the first whole valid record after `offset`, or -1. */
export function findSpoolRecord(bytes: Buffer, offset: number): number {
  for (let at = bytes.indexOf(MAGIC, offset + 5); at !== -1; at = bytes.indexOf(MAGIC, at + 1)) {
    if (typeof readSpoolRecord(bytes, at - 4) === 'object') return at - 4
  }
  return -1
}

export interface SpoolScan {
  /** Everything before this offset has been visited or skipped. */
  readonly next: number
  /** Bytes that were no record. */
  readonly skippedBytes: number
}

/**
 * Visits the whole records of `bytes` from `offset`, jumping over damage, until they end or `visit` returns
 * false (that record then counts as not visited). `final` says that nothing will be appended: a torn tail is
 * then skipped, else `next` stays at its start.
 */
export function scanSpool(
  bytes: Buffer,
  offset: number,
  final: boolean,
  visit: (record: SpoolRecord, offset: number) => boolean,
): SpoolScan {
  let skippedBytes = 0
  while (offset < bytes.length) {
    const record = readSpoolRecord(bytes, offset)
    if (typeof record === 'object') {
      if (!visit(record, offset)) break
      offset = record.next
      continue
    }
    if (record === 'incomplete' && !final) break
    const found = findSpoolRecord(bytes, offset)
    if (found === -1 && !final) break
    const resume = found === -1 ? bytes.length : found
    skippedBytes += resume - offset
    offset = resume
  }
  return { next: offset, skippedBytes }
}

/** Visits each request's progress in the payload of a `progress` record. */
export function eachProgress(
  payload: Buffer,
  visit: (spoolId: number, progress: SpoolProgress) => void,
): void {
  for (let at = 0; at + PROGRESS_BYTES <= payload.length; at += PROGRESS_BYTES) {
    visit(payload.readUIntLE(at, 6), {
      promptTokens: payload.readUInt32LE(at + 6),
      cachedTokens: payload.readUInt32LE(at + 10),
      completionTokens: payload.readUInt32LE(at + 14),
      firstTokenAtMicros: payload.readDoubleLE(at + 18),
      atMicros: payload.readDoubleLE(at + 26),
    })
  }
}

/** Counts come from nodes: one that is out of range must not stop the write that it shares with others. */
function asUInt32(count: number): number {
  return Math.min(Math.max(count, 0), 0xffffffff) >>> 0
}

function recordType(byte: number | undefined): SpoolRecordType | undefined {
  return byte === RECORD_PADDING || byte === RECORD_BEGIN || byte === RECORD_PROGRESS || byte === RECORD_END
    ? byte
    : undefined
}

/** A segment's place: `<epoch>-<sequence>.spool`; epochs and, within one, segments sort by name. */
export interface SegmentName {
  readonly file: string
  readonly epoch: string
}

const SEGMENT_NAME = /^(\d{16}-\d{1,10})-(?:\d{8}|lost)\.spool$/

/** An epoch's name, unique on a machine: the process's start in Unix microseconds and its id. */
export function spoolEpoch(startedAtMicros: number, processId: number): string {
  return `${String(Math.floor(startedAtMicros)).padStart(16, '0')}-${processId}`
}

export function segmentFile(epoch: string, sequence: number): string {
  return `${epoch}-${String(sequence).padStart(8, '0')}.spool`
}

/** The file that closes a dead epoch; it sorts after all its segments. */
export function lostFile(epoch: string): string {
  return `${epoch}-lost.spool`
}

/** Null for a file that is not a segment. */
export function parseSegmentFile(file: string): SegmentName | null {
  const epoch = SEGMENT_NAME.exec(file)?.[1]
  return epoch === undefined ? null : { file, epoch }
}
