import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** One address before processes that come and go. */
export interface Balancer extends AsyncDisposable {
  /** `http://host:port` */
  readonly url: string
}

const HOST = '127.0.0.1'

/**
 * Starts a TCP balancer: each connection goes to the first port that takes it, and is cut when none does.
 * @param ports those to try, in their order, of this moment
 */
export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  const open = new Set<Socket>()
  const keep = (socket: Socket) => {
    open.add(socket)
    // What went wrong on one side is seen at the other by its end.
    socket.on('error', () => {})
    socket.once('close', () => open.delete(socket))
  }
  const server = createServer((client) => {
    keep(client)
    void forward(client, ports(), keep)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port')
  return {
    url: `http://${HOST}:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}

async function forward(client: Socket, ports: readonly number[], keep: (socket: Socket) => void) {
  for (const port of ports) {
    const upstream = connect(port, HOST)
    keep(upstream)
    try {
      await once(upstream, 'connect')
    } catch {
      continue
    }
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroy())
    if (client.destroyed) upstream.destroy()
    client.pipe(upstream)
    upstream.pipe(client)
    return
  }
  client.destroy()
}
