/** One HTTP/1.1 request with its whole body. Header names in lower case; of repeated headers the last counts. */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  readonly keepAlive: boolean
}

export interface RequestParser {
  push(bytes: Buffer): void
  /** The next whole request, if it is there. Throws on what is not HTTP. */
  next(): HttpRequest | undefined
  /** Once for each request that waits for `100 Continue` before it sends its body. */
  takeExpectation(): boolean
}

interface Head {
  readonly method: string
  readonly target: string
  readonly headers: Map<string, string>
  readonly http11: boolean
  /** Bytes of the head with its blank line. */
  readonly size: number
  /** -1: chunked. */
  readonly contentLength: number
}

const EMPTY = Buffer.alloc(0)
const MAX_HEAD_BYTES = 65_536
const MAX_BODY_BYTES = 256 * 1024 * 1024

function parseHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) {
    if (bytes.length > MAX_HEAD_BYTES) throw new Error('request head too large')
    return undefined
  }
  const lines = bytes.toString('latin1', 0, end).split('\r\n')
  const [method = '', target = '', version = ''] = (lines[0] ?? '').split(' ')
  if (!target.startsWith('/') || !version.startsWith('HTTP/1.')) throw new Error('malformed request line')
  const headers = new Map<string, string>()
  for (let at = 1; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error('malformed header line')
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  const chunked = headers.get('transfer-encoding')?.toLowerCase() === 'chunked'
  const contentLength = chunked ? -1 : Number(headers.get('content-length') ?? 0)
  if (!chunked && !(Number.isInteger(contentLength) && contentLength >= 0 && contentLength <= MAX_BODY_BYTES))
    throw new Error('bad content-length')
  return { method, target, headers, http11: version === 'HTTP/1.1', size: end + 4, contentLength }
}

/** Decodes a chunked body that starts at `start`; undefined while it is not whole. */
function readChunked(bytes: Buffer, start: number): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = []
  let at = start
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (!(size >= 0 && size <= MAX_BODY_BYTES)) throw new Error('bad chunk size')
    if (size === 0) {
      // Trailers are not read: the body must end right here.
      if (bytes.length < lineEnd + 4) return undefined
      return { body: Buffer.concat(parts), end: lineEnd + 4 }
    }
    if (bytes.length < lineEnd + 2 + size + 2) return undefined
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

/** Incremental: bytes in, whole requests out, any number on one connection. */
export function createRequestParser(): RequestParser {
  let parts: Buffer[] = []
  let size = 0
  let head: Head | undefined
  let expects = false

  const joined = (): Buffer => {
    const [first = EMPTY] = parts
    if (parts.length === 1) return first
    const all = Buffer.concat(parts, size)
    parts = [all]
    return all
  }

  const takeBody = (from: Head): { body: Buffer; end: number } | undefined => {
    if (from.contentLength < 0) return readChunked(joined(), from.size)
    const end = from.size + from.contentLength
    return size < end ? undefined : { body: joined().subarray(from.size, end), end }
  }

  return {
    push(bytes) {
      parts.push(bytes)
      size += bytes.length
    },
    next() {
      if (size === 0) return undefined
      if (head === undefined) {
        head = parseHead(joined())
        if (head === undefined) return undefined
        expects = head.headers.get('expect')?.toLowerCase() === '100-continue'
      }
      const taken = takeBody(head)
      if (taken === undefined) return undefined

      const rest = joined().subarray(taken.end)
      parts = rest.length > 0 ? [rest] : []
      size = rest.length
      const { method, target, headers, http11 } = head
      head = undefined
      expects = false
      const mark = target.indexOf('?')
      const connection = headers.get('connection')?.toLowerCase()
      return {
        method,
        path: mark === -1 ? target : target.slice(0, mark),
        query: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
        headers,
        body: taken.body,
        keepAlive: http11 ? connection !== 'close' : connection === 'keep-alive',
      }
    },
    takeExpectation() {
      const taken = expects
      expects = false
      return taken
    },
  }
}
