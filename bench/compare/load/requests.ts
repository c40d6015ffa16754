import type { Connection, ResponseHandler } from '../../load/connection.js'
import type { LoadResult } from './messages.js'
import { createLoadTally, type LoadTally } from './tally.js'

/**
 * Closed loop over all connections for `durationMs`; a request that was begun is awaited, so that every request
 * that cost something is counted. A connection whose request fails sends no more.
 */
export async function sendRequests(
  connections: readonly Connection[],
  request: Buffer,
  durationMs: number,
): Promise<LoadResult> {
  const tally = createLoadTally(true)
  const until = performance.now() + durationMs
  await Promise.all(connections.map((connection) => loop(connection, request, until, tally)))
  return tally.result()
}

function loop(connection: Connection, request: Buffer, until: number, tally: LoadTally): Promise<void> {
  return new Promise((resolve) => {
    let startedAt = 0
    let status = 0
    const send = (): void => {
      startedAt = performance.now()
      connection.send(request, handler)
    }
    const handler: ResponseHandler = {
      onHead(head) {
        status = head.status
      },
      onBody(bytes, ended) {
        if (!ended) return
        if (status !== 200) {
          tally.fail(`status ${status}: ${bytes.toString('utf8', 0, 300)}`)
          resolve()
          return
        }
        const now = performance.now()
        tally.complete(startedAt, now)
        if (now < until) send()
        else resolve()
      },
      onFailure(reason) {
        tally.fail(reason)
        resolve()
      },
    }
    send()
  })
}
