import type { Connection } from '../../load/connection.js'
import type { Sender } from './sending.js'

/**
 * Closed loop over all connections for `durationMs`, with a pause between a reply and the next request. A request
 * that was begun is awaited, so that every request that cost something is counted. A connection whose request
 * fails sends no more.
 */
export async function sendRequests(
  connections: readonly Connection[],
  sender: Sender,
  { durationMs, pauseMs }: { readonly durationMs: number; readonly pauseMs: number },
): Promise<void> {
  const until = performance.now() + durationMs
  const loop = (connection: Connection): Promise<void> =>
    new Promise((resolve) => {
      const send = (): void => {
        sender.send(connection, performance.now(), (usable) => {
          if (!usable || performance.now() >= until) resolve()
          else if (pauseMs > 0) setTimeout(send, pauseMs)
          else send()
        })
      }
      send()
    })
  await Promise.all(connections.map(loop))
}
