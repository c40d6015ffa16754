import {
  isTrailerLine,
  readResponseHead,
  ResponseError,
  type Framing,
  type ResponseHead,
} from './http-response-head.js'

export { ResponseError, type ResponseHead } from './http-response-head.js'

/**
 * An incremental, strict HTTP/1.1 response parser for one connection to a node: bytes in, events out, no I/O.
 * Hot path (bench: micro/http-response). Strict because its input may go to another tenant next: anything odd
 * is an error, after which the connection must be destroyed.
 */
export interface ResponseEvents {
  /** The final response's head (1xx are skipped). */
  onHead(head: ResponseHead): void
  /**
   * All body bytes of one read, de-chunked and contiguous; only valid during the call. `ended` says that the
   * response is complete; `bytes` may be empty then.
   */
  onBody(bytes: Buffer, ended: boolean): void
}

/** Longest status line plus headers. */
const MAX_HEAD_BYTES = 32 * 1024
/** Longest trailer section after a chunked body. */
const MAX_TRAILER_BYTES = 8 * 1024
/** 2^32 and more cannot be one chunk of a sane node. */
const MAX_CHUNK_DIGITS = 8

const CR = 0x0d
const LF = 0x0a
const EMPTY = Buffer.alloc(0)

const HEAD = 0
const FIXED_BODY = 1
const BODY_TO_CLOSE = 2
const CHUNK_SIZE = 3
const CHUNK_SIZE_LF = 4
const CHUNK_DATA = 5
const CHUNK_DATA_CR = 6
const CHUNK_DATA_LF = 7
const TRAILER = 8
const DONE = 9

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

export class ResponseParser {
  #events: ResponseEvents
  #state = HEAD
  #pendingHead: Buffer = EMPTY
  /** Body or chunk bytes still to come. */
  #remaining = 0
  #digits = 0
  #trailerBytes = 0
  /** The trailer line being read. */
  #trailerLine = ''
  /** An interim (1xx) response has been read. */
  #interim = false
  #keepAlive = false
  readonly #out = { start: 0, end: 0 }

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  /** Whether a response is complete and the connection may be used again. */
  get reusable(): boolean {
    return this.#state === DONE && this.#keepAlive
  }

  /** Whether the response is complete. */
  get ended(): boolean {
    return this.#state === DONE
  }

  /** Whether any byte of a response has been read. */
  get started(): boolean {
    return this.#state !== HEAD || this.#interim || this.#pendingHead.length > 0
  }

  /** Makes ready for the next response on the same connection. */
  reset(events: ResponseEvents): void {
    this.#events = events
    this.#state = HEAD
    this.#pendingHead = EMPTY
    this.#remaining = 0
    this.#interim = false
    this.#keepAlive = false
  }

  /**
   * Takes one read: the first `length` bytes. Chunked bodies are compacted inside `bytes`, so the caller's buffer is
   * overwritten.
   *
   * @throws ResponseError on anything that is not a clean response, extra bytes after its end included.
   */
  execute(bytes: Buffer, length = bytes.length): void {
    const wasDone = this.#state === DONE
    let at = 0
    if (this.#state === HEAD) {
      at = this.#readHead(length === bytes.length ? bytes : bytes.subarray(0, length))
      if (at < 0) return
    }
    this.#readBody(bytes, at, length, wasDone)
  }

  /**
   * The node closed its side.
   *
   * @throws ResponseError when the response was not complete.
   */
  finish(): void {
    if (this.#state === DONE) return
    if (this.#state !== BODY_TO_CLOSE) throw new ResponseError('The connection closed inside a response.')
    this.#state = DONE
    this.#events.onBody(EMPTY, true)
  }

  /** Index of the first body byte in `bytes`, or -1 when the head is not complete yet. */
  #readHead(bytes: Buffer): number {
    let carried = this.#pendingHead.length
    let text = carried === 0 ? bytes : Buffer.concat([this.#pendingHead, bytes])
    for (;;) {
      const end = text.indexOf('\r\n\r\n')
      if (end < 0 || end > MAX_HEAD_BYTES) {
        // The blank line of the longest head may itself be unfinished.
        if (end >= 0 || text.length > MAX_HEAD_BYTES + 3) throw new ResponseError('The head is too long.')
        // A wrong protocol is refused at once, not after MAX_HEAD_BYTES of it.
        const begun = text.toString('latin1', 0, 7)
        if (!'HTTP/1.'.startsWith(begun)) throw new ResponseError('The status line is not valid.')
        // The read's buffer is reused by the caller.
        this.#pendingHead = Buffer.from(text)
        return -1
      }
      const framing = readResponseHead(text, end)
      const bodyAt = end + 4
      if (framing !== null) {
        this.#pendingHead = EMPTY
        this.#begin(framing)
        return bodyAt - carried
      }
      this.#interim = true
      text = text.subarray(bodyAt)
      // What is carried over is behind us once a 1xx that began in it has been read.
      carried -= bodyAt
      if (text.length === 0) {
        this.#pendingHead = EMPTY
        return -1
      }
    }
  }

  #begin(framing: Framing): void {
    const { head, chunked } = framing
    const bodiless = head.status === 204 || head.status === 304
    if (bodiless) this.#state = DONE
    else if (chunked) {
      this.#state = CHUNK_SIZE
      this.#digits = 0
    } else if (head.contentLength === null) this.#state = BODY_TO_CLOSE
    else if (head.contentLength === 0) this.#state = DONE
    else {
      this.#state = FIXED_BODY
      this.#remaining = head.contentLength
    }
    this.#keepAlive = head.keepAlive && this.#state !== BODY_TO_CLOSE
    this.#events.onHead(head)
  }

  /** What was decoded before a fault is delivered first: its tokens were made and count. */
  #readBody(bytes: Buffer, from: number, length: number, wasDone: boolean): void {
    const out = this.#out
    out.start = out.end = from
    let fault: unknown = null
    try {
      this.#decode(bytes, from, length, out)
    } catch (error) {
      fault = error
      // Known before the end is announced, so that nobody reuses a connection that is about to be destroyed.
      this.#keepAlive = false
    }
    const ended = this.#state === DONE
    if (!wasDone && (ended || out.end > out.start)) {
      this.#events.onBody(bytes.subarray(out.start, out.end), ended)
    }
    if (fault !== null) throw fault as ResponseError
  }

  /** Decodes `[from, length)` into `bytes` itself; the result lies in `[out.start, out.end)`. */
  #decode(bytes: Buffer, from: number, length: number, out: { start: number; end: number }): void {
    let at = from
    while (at < length) {
      switch (this.#state) {
        case FIXED_BODY: {
          const take = Math.min(this.#remaining, length - at)
          out.start = at
          at += take
          out.end = at
          this.#remaining -= take
          if (this.#remaining === 0) this.#state = DONE
          break
        }
        case BODY_TO_CLOSE:
          out.start = at
          out.end = at = length
          break
        case CHUNK_SIZE:
          at = this.#readChunkSize(bytes, at, length)
          break
        case CHUNK_SIZE_LF:
          if (bytes[at++] !== LF) throw new ResponseError('A chunk size is not valid.')
          if (this.#remaining === 0) {
            this.#state = TRAILER
            this.#trailerBytes = 0
            this.#trailerLine = ''
          } else this.#state = CHUNK_DATA
          break
        case CHUNK_DATA: {
          const take = Math.min(this.#remaining, length - at)
          if (out.end === out.start) out.start = out.end = at
          else if (out.end !== at) bytes.copyWithin(out.end, at, at + take)
          out.end += take
          at += take
          this.#remaining -= take
          if (this.#remaining === 0) this.#state = CHUNK_DATA_CR
          break
        }
        case CHUNK_DATA_CR:
          if (bytes[at++] !== CR) throw new ResponseError('A chunk does not end where it said.')
          this.#state = CHUNK_DATA_LF
          break
        case CHUNK_DATA_LF:
          if (bytes[at++] !== LF) throw new ResponseError('A chunk does not end where it said.')
          this.#state = CHUNK_SIZE
          this.#digits = 0
          break
        case TRAILER:
          this.#readTrailerByte(bytes[at++] ?? 0)
          break
        default:
          throw new ResponseError('Bytes follow the end of the response.')
      }
    }
  }

  #readChunkSize(bytes: Buffer, from: number, length: number): number {
    let at = from
    if (this.#digits === 0) this.#remaining = 0
    while (at < length) {
      const byte = bytes[at++] ?? 0
      const digit = hexDigit(byte)
      if (digit >= 0) {
        if (++this.#digits > MAX_CHUNK_DIGITS) throw new ResponseError('A chunk is too large.')
        this.#remaining = this.#remaining * 16 + digit
      } else if (byte === CR && this.#digits > 0) {
        this.#state = CHUNK_SIZE_LF
        break
      } else throw new ResponseError('A chunk size is not valid.')
    }
    return at
  }

  /** Trailers are checked like headers, then dropped. */
  #readTrailerByte(byte: number): void {
    if (++this.#trailerBytes > MAX_TRAILER_BYTES) throw new ResponseError('The trailer is too long.')
    this.#trailerLine += String.fromCharCode(byte)
    if (byte !== LF) return
    const line = this.#trailerLine
    this.#trailerLine = ''
    if (line === '\r\n') {
      this.#state = DONE
      return
    }
    if (!line.endsWith('\r\n') || !isTrailerLine(Buffer.from(line, 'latin1'), line.length - 2)) {
      throw new ResponseError('The trailer is not valid.')
    }
  }
}
