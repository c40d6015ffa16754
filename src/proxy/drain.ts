import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpApp } from '../io/uws.js'
import type { Exchange } from './exchange.js'
import type { SwapList } from './swap-list.js'

export interface DrainOptions {
  readonly app: HttpApp
  readonly open: SwapList<Exchange>
  /** Between `/ready` saying 503 and the listener closing, so that balancers look elsewhere first. */
  readonly delayMs: number
  /** How long streams get to finish. */
  readonly streamsMs: number
  /** The listener is closed: from now on what still comes is refused. */
  readonly onClosed: () => void
  /** Ends every wait. */
  readonly hurry: AbortSignal
}

const LOOK_MS = 20
/** How long a slow client gets to read the end of a reply that lies in our buffers. */
const SLOW_CLIENT_MS = 5_000

/** Stops listening and waits for the open requests; what is open after that is ended with an error and settled. */
export async function drainRequests(options: DrainOptions): Promise<void> {
  const { app, open, delayMs, streamsMs, onClosed, hurry } = options
  const wait = (ms: number) => sleep(ms, undefined, { signal: hurry }).catch(() => undefined)
  if (delayMs > 0) await wait(delayMs)
  app.stopListening()
  onClosed()
  const until = performance.now() + streamsMs
  // Calls that are no exchange count as well: a body that is coming, a key or a report that is looked up.
  const busy = () => open.size > 0 || app.openCalls > 0
  while (busy() && performance.now() < until && !hurry.aborted) await wait(LOOK_MS)
  open.each((exchange) => {
    exchange.shutDown()
  })
  while (performance.now() < app.lastSlowEnd + SLOW_CLIENT_MS && !hurry.aborted) await wait(LOOK_MS)
}
