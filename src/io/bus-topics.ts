import type { Logger } from 'pino'

export type BusListener = (payload: string) => void

/**
 * Short messages to every process of the installation. Delivery is never relied on: a message carries a version,
 * and who missed it finds out by polling that version.
 */
export interface Bus extends AsyncDisposable {
  /** Whether messages can arrive at the moment. */
  readonly connected: boolean
  /**
   * Never rejects.
   * @param topic lower-case letters, digits, `_`, `.` and `-`; at most 40
   * @param payload at most 7,900 bytes, which is what Postgres takes
   * @returns whether the message was handed over
   */
  publish(topic: string, payload: string): Promise<boolean>
  /** @returns ends the subscription */
  subscribe(topic: string, listener: BusListener): () => void
  /** Called each time that all subscriptions stand (again): messages may have been missed before. */
  onConnect(listener: () => void): void
  close(): Promise<void>
}

/** What Postgres takes. */
export const MAX_PAYLOAD_BYTES = 7_900

export function fitsBus(payload: string): boolean {
  return Buffer.byteLength(payload) <= MAX_PAYLOAD_BYTES
}

/** Topics become names of channels in both stores. */
export function checkTopic(topic: string): void {
  if (!/^[a-z][a-z0-9_.-]{0,39}$/.test(topic)) throw new Error(`not a topic: ${topic}`)
}

/** Who listens to what, whichever store carries the messages. */
export interface BusTopics {
  names(): string[]
  /** @returns whether it is the topic's first listener */
  add(topic: string, listener: BusListener): boolean
  /** @returns whether it was the topic's last listener */
  remove(topic: string, listener: BusListener): boolean
  deliver(topic: string, payload: string): void
  readonly onConnect: (listener: () => void) => void
  connected(): void
}

export function createBusTopics(logger: Logger | undefined): BusTopics {
  const listeners = new Map<string, Set<BusListener>>()
  const onConnect: (() => void)[] = []
  const call = (listener: () => void) => {
    try {
      listener()
    } catch (error) {
      // One listener's failure must not cost the others their message, nor the process its bus.
      logger?.error({ event: 'bus_listener_failed', err: error }, 'a listener of the bus failed')
    }
  }
  return {
    names: () => [...listeners.keys()],
    add(topic, listener) {
      const known = listeners.get(topic)
      if (known) known.add(listener)
      else listeners.set(topic, new Set([listener]))
      return known === undefined
    },
    remove(topic, listener) {
      const known = listeners.get(topic)
      if (!known?.delete(listener) || known.size > 0) return false
      listeners.delete(topic)
      return true
    },
    deliver(topic, payload) {
      for (const listener of [...(listeners.get(topic) ?? [])]) {
        call(() => {
          listener(payload)
        })
      }
    },
    onConnect(listener) {
      onConnect.push(listener)
    },
    connected() {
      onConnect.forEach(call)
    },
  }
}
