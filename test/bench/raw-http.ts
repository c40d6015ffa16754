import { connect, type Socket } from 'node:net'

/** A raw socket to a node, with all it has received. */
export interface RawClient {
  readonly socket: Socket
  /** All bytes so far. */
  received(): Buffer
  /** How the connection ended, once it has. */
  readonly closed: Promise<'end' | 'reset'>
  /** Resolves when what was received, as latin1, satisfies the test; rejects when the connection closes first. */
  until(test: (text: string) => boolean): Promise<string>
  post(path: string, body: object, requestId: string, headers?: Readonly<Record<string, string>>): void
}

/** Connects to the port; destroyed on dispose. */
export async function openRaw(port: number): Promise<RawClient & Disposable> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const parts: Buffer[] = []
  let check: () => void = () => {}
  let error: unknown
  socket.on('data', (bytes) => {
    parts.push(bytes)
    check()
  })
  socket.on('error', (cause) => (error = cause))
  const closed = new Promise<'end' | 'reset'>((resolve) =>
    socket.on('close', () => resolve(error === undefined ? 'end' : 'reset')),
  )
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const received = (): Buffer => Buffer.concat(parts)
  return {
    socket,
    received,
    closed,
    until: (test) =>
      new Promise((resolve, reject) => {
        check = () => {
          const text = received().toString('latin1')
          if (test(text)) resolve(text)
        }
        void closed.then(() => reject(new Error(`closed after ${received().toString('latin1')}`)))
        check()
      }),
    post(path, body, requestId, headers = {}) {
      const bytes = Buffer.from(JSON.stringify(body))
      const lines = Object.entries({ 'x-request-id': requestId, 'content-length': bytes.length, ...headers })
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      socket.write(Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nhost: node\r\n${head}\r\n`), bytes]))
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** The data of each SSE frame that stands whole in the text. */
export function sseData(text: string): string[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((frame) => frame.slice(frame.indexOf('data: ') + 6))
}

/** How many frames with text stand whole in a raw chunked reply of one choice on `/v1/completions`. */
export function rawTokens(bytes: Buffer): number {
  return (
    bytes.toString('utf8').match(/"index":0,"text":".*?"prompt_token_ids":null,"token_ids":null\}\]/gs)
      ?.length ?? 0
  )
}

/** Waits until the condition holds; fails after five seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
