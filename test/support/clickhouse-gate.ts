import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { request } from 'undici'

/** What happens to the next insert: answered, answered by ClickHouse but never heard, or never asked. */
export type GateMode = 'open' | 'withhold-answer' | 'swallow-request' | 'refuse'

export interface ClickHouseGate extends AsyncDisposable {
  readonly url: string
  mode: GateMode
  /** Lets this many inserts through before `mode` holds. */
  skip: number
  readonly inserts: number
  /** Resolves when an insert has been held. */
  held(): Promise<void>
}

/** An HTTP proxy before ClickHouse that can hold acknowledgements back. */
export async function startClickHouseGate(clickhouseUrl: string): Promise<ClickHouseGate> {
  const target = new URL(clickhouseUrl)
  let notify: (() => void) | null = null
  let inserts = 0
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await readAll(incoming)
      const insert = incoming.url?.includes('INSERT') ?? false
      if (insert) inserts++
      const mode = insert && gate.skip-- <= 0 ? gate.mode : 'open'
      if (mode === 'refuse') {
        incoming.socket.destroy()
        return
      }
      if (mode === 'swallow-request') {
        notify?.()
        return
      }
      const {
        statusCode,
        headers,
        body: reply,
      } = await request(`${target.origin}${incoming.url ?? '/'}`, {
        method: incoming.method === 'GET' ? 'GET' : 'POST',
        headers: { authorization: incoming.headers.authorization ?? '' },
        body,
      })
      const bytes = Buffer.from(await reply.arrayBuffer())
      if (mode === 'withhold-answer') {
        notify?.()
        return
      }
      delete headers['transfer-encoding']
      outgoing.writeHead(statusCode, { ...headers, 'content-length': bytes.length }).end(bytes)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const url = new URL(clickhouseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(address.port)
  const gate = {
    url: url.href,
    mode: 'open' as GateMode,
    skip: 0,
    get inserts() {
      return inserts
    },
    held: () =>
      new Promise<void>((resolve) => {
        notify = resolve
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return gate
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
