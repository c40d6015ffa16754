import type { Connection } from '../../load/connection.js'
import type { Sender } from './sending.js'

const RAMP_STEP_MS = 5

/** One stream on each connection. Starts are spread evenly over `rampMs`, so that the streams do not tick together. */
export async function sendStreams(
  connections: readonly Connection[],
  sender: Sender,
  { rampMs }: { readonly rampMs: number },
): Promise<void> {
  const startedAt = performance.now()
  const streams: Promise<void>[] = []
  const startDue = (): void => {
    const share = rampMs === 0 ? 1 : (performance.now() - startedAt) / rampMs
    const due = Math.min(connections.length, Math.ceil(share * connections.length))
    for (const connection of connections.slice(streams.length, due)) {
      const ended = new Promise<void>((resolve) => {
        sender.send(connection, performance.now(), () => {
          resolve()
        })
      })
      streams.push(ended)
    }
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      startDue()
      if (streams.length < connections.length) return
      clearInterval(timer)
      resolve()
    }, RAMP_STEP_MS)
    startDue()
  })
  await Promise.all(streams)
}
