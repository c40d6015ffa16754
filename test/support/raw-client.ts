import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A reply as it stood on the wire, its length declared. */
export interface RawReply {
  readonly status: number
  /** By lower-case name; equal names joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** A chunked reply, its chunks joined. */
export interface RawStream {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The terminating chunk came: the reply has ended well. */
  readonly complete: boolean
}

/** A client that can send what no HTTP library would. */
export interface RawClient extends Disposable {
  send(bytes: string | Buffer): void
  /** The next whole reply. @throws when the connection closes first, or after half a minute */
  reply(): Promise<RawReply>
  /** A chunked reply, read until it ends or is cut off. @throws after a minute */
  stream(): Promise<RawStream>
  /** Resolves when the server has closed the connection. @throws after half a minute */
  closed(): Promise<void>
  /** All bytes received so far that no reply has taken. */
  received(): Buffer
  /** Stops reading, so that the server feels back-pressure. */
  pause(): void
  resume(): void
}

const LIMIT_MS = 30_000
const STREAM_LIMIT_MS = 60_000
const TERMINATOR = '0\r\n\r\n'

interface RawHead {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly bodyAt: number
}

function parseHead(bytes: Buffer): RawHead | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const known = headers.get(name)
    headers.set(name, known === undefined ? value : `${known}, ${value}`)
  }
  return { status: Number(first.split(' ')[1]), headers, bodyAt: headEnd + 4 }
}

function parseReply(bytes: Buffer): { reply: RawReply; length: number } | null {
  const head = parseHead(bytes)
  if (head === null) return null
  const { status, headers, bodyAt } = head
  const length = bodyAt + Number(headers.get('content-length') ?? 0)
  if (bytes.length < length) return null
  return { reply: { status, headers, body: bytes.toString('utf8', bodyAt, length) }, length }
}

function parseStream(bytes: Buffer): RawStream {
  const head = parseHead(bytes)
  if (head === null) throw new Error(`no reply in ${bytes.toString('latin1')}`)
  const { status, headers, bodyAt } = head
  const chunks: Buffer[] = []
  for (let at = bodyAt; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = lineEnd < 0 ? NaN : parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) return { status, headers, body: Buffer.concat(chunks), complete: false }
    if (size === 0) return { status, headers, body: Buffer.concat(chunks), complete: true }
    const start = lineEnd + 2
    chunks.push(bytes.subarray(start, start + size))
    at = start + size + 2
  }
}

/** Connects to a port on loopback; the socket is destroyed on disposal. */
export async function openRawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let parts: Buffer[] = []
  let hasClosed = false
  /** The last bytes received. */
  let tail = ''
  socket.on('data', (bytes) => {
    parts.push(bytes)
    tail = (tail + bytes.subarray(-TERMINATOR.length).toString('latin1')).slice(-TERMINATOR.length)
  })
  // A reset is a way of closing.
  socket.on('error', () => {})
  socket.on('close', () => (hasClosed = true))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('close', () => {
      reject(new Error('not connected'))
    })
  })
  const received = () => {
    const all = Buffer.concat(parts)
    parts = [all]
    return all
  }
  const until = async (what: string, condition: () => boolean, limitMs = LIMIT_MS) => {
    const deadline = performance.now() + limitMs
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`)
      await sleep(2)
    }
  }
  return {
    send: (bytes) => void socket.write(bytes),
    received,
    async reply() {
      let found: ReturnType<typeof parseReply> = null
      await until('a reply', () => {
        found = parseReply(received())
        if (found === null && hasClosed) throw new Error(`closed after ${received().toString('latin1')}`)
        return found !== null
      })
      const { reply, length } = found ?? { reply: null, length: 0 }
      if (reply === null) throw new Error('no reply')
      parts = [received().subarray(length)]
      return reply
    },
    async stream() {
      await until('the end of a stream', () => hasClosed || tail === TERMINATOR, STREAM_LIMIT_MS)
      const stream = parseStream(received())
      parts = []
      return stream
    },
    closed: () => until('the connection closes', () => hasClosed),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}
