import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A reply as it stood on the wire, its length declared. */
export interface RawReply {
  readonly status: number
  /** By lower-case name; equal names joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** A client that can send what no HTTP library would. */
export interface RawClient extends Disposable {
  send(bytes: string | Buffer): void
  /** The next whole reply. @throws when the connection closes first, or after five seconds */
  reply(): Promise<RawReply>
  /** Resolves when the server has closed the connection. @throws after five seconds */
  closed(): Promise<void>
  /** All bytes received so far that no reply has taken. */
  received(): Buffer
  /** Stops reading, so that the server feels back-pressure. */
  pause(): void
  resume(): void
}

const LIMIT_MS = 5_000

function parseReply(bytes: Buffer): { reply: RawReply; length: number } | null {
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
  const length = headEnd + 4 + Number(headers.get('content-length') ?? 0)
  if (bytes.length < length) return null
  const body = bytes.toString('utf8', headEnd + 4, length)
  return { reply: { status: Number(first.split(' ')[1]), headers, body }, length }
}

/** Connects to a port on loopback; the socket is destroyed on disposal. */
export async function openRawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let parts: Buffer[] = []
  let hasClosed = false
  socket.on('data', (bytes) => parts.push(bytes))
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
  const until = async (what: string, condition: () => boolean) => {
    const deadline = performance.now() + LIMIT_MS
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${LIMIT_MS} ms`)
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
    closed: () => until('the connection closes', () => hasClosed),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}
