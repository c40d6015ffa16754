import { once } from 'node:events'
import { connect } from 'node:net'
import type { Connection } from '../../load/connection.js'
import type { PreparedRequest } from './sending.js'

/**
 * Opens a connection, sends a request and never reads: the reply fills the kernel's buffers, then those of whoever
 * sends it. @throws when it cannot be opened
 */
export async function sendUnread(
  host: string,
  port: number,
  request: PreparedRequest,
): Promise<Pick<Connection, 'close'>> {
  // Nobody listens for data, so that the socket is never read from.
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  socket.pause()
  // A server that has enough of waiting may cut it; nothing is counted here.
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.write(request.bytes, () => {
      resolve()
    })
  })
  return { close: () => void socket.destroy() }
}
