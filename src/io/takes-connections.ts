import { once } from 'node:events'
import { connect, type NetConnectOpts } from 'node:net'

/** Whether somebody accepts connections there, however long that takes. */
export async function takesConnections(address: NetConnectOpts): Promise<boolean> {
  const socket = connect(address)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
