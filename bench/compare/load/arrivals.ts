import type { Connection } from '../../load/connection.js'
import type { Sender } from './sending.js'

const TICK_MS = 1

/**
 * Open loop: `perSecond × durationMs` requests fall due evenly, whatever becomes of earlier ones. What falls due
 * within a millisecond is sent together. Each goes to the connection that has waited longest; when none is free it
 * waits, and its latency counts from when it fell due.
 */
export async function sendArrivals(
  connections: readonly Connection[],
  sender: Sender,
  { perSecond, durationMs }: { readonly perSecond: number; readonly durationMs: number },
): Promise<void> {
  const total = Math.max(1, Math.round((perSecond * durationMs) / 1000))
  const free = [...connections]
  const waiting: number[] = []
  const startedAt = performance.now()
  let arrived = 0
  let ended = 0
  let usable = connections.length
  await new Promise<void>((resolve) => {
    const endIfDone = (): void => {
      if (usable > 0 && ended < total) return
      clearInterval(timer)
      resolve()
    }
    const send = (connection: Connection, since: number): void => {
      sender.send(connection, since, (isUsable) => {
        ended += 1
        if (!isUsable) usable -= 1
        else {
          const next = waiting.shift()
          if (next === undefined) free.push(connection)
          else send(connection, next)
        }
        endIfDone()
      })
    }
    const sendDue = (): void => {
      const now = performance.now()
      const due = Math.min(total, Math.floor(((now - startedAt) * perSecond) / 1000) + 1)
      for (; arrived < due; arrived += 1) {
        const connection = free.shift()
        if (connection === undefined) waiting.push(now)
        else send(connection, now)
      }
    }
    const timer = setInterval(sendDue, TICK_MS)
    sendDue()
  })
}
