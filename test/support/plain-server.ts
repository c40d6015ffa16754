import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface PlainServer extends AsyncDisposable {
  readonly url: string
  /** `METHOD /path` of each request that came. */
  readonly requests: readonly string[]
  /** Ends all connections and takes no more. */
  goAway(): Promise<void>
  /** Listens again where it did. */
  comeBack(): Promise<void>
}

/** An HTTP server on loopback that can go away for a while. */
export async function startPlainServer(
  answer: RequestListener,
  host = '127.0.0.1',
  create: (listener: RequestListener) => Server = createServer,
): Promise<PlainServer> {
  const requests: string[] = []
  const server = create((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`)
    answer(request, response)
  })
  const listen = async (port: number) => {
    server.listen(port, host)
    await once(server, 'listening')
    // Of a TCP server it is never a string.
    return server.address() as AddressInfo
  }
  const { port } = await listen(0)
  const goAway = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    url: `http://${host}:${port}`,
    requests,
    goAway,
    async comeBack() {
      await listen(port)
    },
    [Symbol.asyncDispose]: goAway,
  }
}

/** Hands every request on to a server, and its answer back. */
export function relayTo(url: () => string): RequestListener {
  return (request, response) => {
    const relay = async () => {
      const body = await bodyOf(request)
      const headers = { ...request.headers }
      delete headers.host
      delete headers.connection
      const reply = await fetch(url() + (request.url ?? ''), {
        method: request.method ?? 'GET',
        headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
        ...(body.length > 0 && { body }),
      })
      response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? '' })
      response.end(await reply.text())
    }
    relay().catch(() => response.destroy())
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}
