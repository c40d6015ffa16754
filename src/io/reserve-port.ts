import { once } from 'node:events'
import { createServer } from 'node:net'
import { StartError } from './start-error.js'

export interface PortReservation extends AsyncDisposable {
  readonly port: number
  /** To be called right before the real listeners start. Idempotent. */
  readonly release: () => Promise<void>
}

/**
 * Makes sure that nobody listens on a port. uWebSockets.js sets SO_REUSEPORT, so a port that a process of the same
 * user already has would be shared silently; this socket does not set it. Port 0 is replaced by a free one, which
 * stays taken until it is released; a given port is released at once, so that clients are refused until the
 * gateway can serve them.
 * @param setting name for the error message: `PORT`
 * @throws StartError when the port is taken or the host is not an address of this machine
 */
export async function reservePort(setting: string, host: string, port: number): Promise<PortReservation> {
  const server = createServer((socket) => {
    socket.destroy()
  })
  server.listen({ host, port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const reason = code === 'EADDRINUSE' ? 'another process listens there' : code
    throw new StartError(`cannot listen on ${host}:${port} (${setting}): ${reason}`, 1, { cause: error })
  }
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP socket has no port')
  const release = async () => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  if (port !== 0) await release()
  return { port: address.port, release, [Symbol.asyncDispose]: release }
}
