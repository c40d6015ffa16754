import type { Bus } from '../io/bus-topics.js'

/**
 * Whether messages of the bus really arrive. A connection that a network has swallowed looks open for minutes, and who
 * believed it would take its silence for the word that nothing has changed.
 */
export interface BusPulse {
  readonly alive: boolean
  stop(): void
}

export interface BusPulseOptions {
  readonly bus: Pick<Bus, 'connected' | 'publish' | 'subscribe'>
  /** Unix milliseconds. */
  readonly now: () => number
}

const TOPIC = 'pulse'
const BEAT_MS = 1_000
/** As long as a lost message may cost. */
const SILENT_MS = 5_000

/** Says something on the bus each second and listens for it; that of any process will do. */
export function startBusPulse({ bus, now }: BusPulseOptions): BusPulse {
  let heardAt = now()
  const unsubscribe = bus.subscribe(TOPIC, () => {
    heardAt = now()
  })
  const timer = setInterval(() => void bus.publish(TOPIC, ''), BEAT_MS)
  return {
    get alive() {
      return bus.connected && now() - heardAt <= SILENT_MS
    },
    stop() {
      clearInterval(timer)
      unsubscribe()
    },
  }
}
