import { Agent, request } from 'undici'
import { ENGINE_PORT } from '../../core/skypilot-node.js'
import { SkyPilotError } from '../../core/skypilot-error.js'
import { startDeadline } from '../../io/deadline.js'
import { lookupNode } from '../../io/node-lookup.js'
import type { SkyPilot } from '../../io/skypilot.js'
import { createSlots } from './slots.js'

/** Where the engines of clusters serve. */
export interface Serving extends AsyncDisposable {
  /** The URL of a cluster's engine once it has answered; null as long as it has not. */
  urlOf(clusterName: string, apiKey: string): Promise<string | null>
  /** Whether a cluster's engine has answered this process. */
  hasAnswered(clusterName: string): boolean
  /** Its machine is gone, or will be. */
  forget(clusterName: string): void
}

interface Place {
  readonly url: string
  answered: boolean
}

const AT_ONCE = 8
const PROBE_MS = 5_000
const ENDPOINT_MS = 20_000
const MOST_BYTES = 64 * 1024

export function createServing(client: SkyPilot, signal: AbortSignal): Serving {
  const places = new Map<string, Place>()
  const slots = createSlots(AT_ONCE)
  const agent = new Agent({
    pipelining: 1,
    maxResponseSize: MOST_BYTES,
    connect: { lookup: lookupNode, timeout: PROBE_MS },
  })

  async function placeOf(clusterName: string): Promise<Place | null> {
    const known = places.get(clusterName)
    if (known !== undefined) return known
    const options = { signal, deadlineMs: ENDPOINT_MS }
    const url = await client.endpoint(clusterName, ENGINE_PORT, options).catch((error: unknown) => {
      // It has no address (yet), or the cloud does not say: it is asked again at the next look.
      if (error instanceof SkyPilotError) return null
      throw error
    })
    if (url === null) return null
    const place = { url, answered: false }
    places.set(clusterName, place)
    return place
  }

  async function answers(url: string, apiKey: string): Promise<boolean> {
    using limit = startDeadline(PROBE_MS, signal, () => new Error('the engine did not answer in time'))
    try {
      const { statusCode, body } = await request(`${url}/health`, {
        dispatcher: agent,
        signal: limit.signal,
        headers: { authorization: `Bearer ${apiKey}` },
      })
      await body.dump({ limit: MOST_BYTES })
      return statusCode >= 200 && statusCode < 300
    } catch {
      return false
    }
  }

  return {
    urlOf: (clusterName, apiKey) =>
      slots.run(async () => {
        const place = await placeOf(clusterName)
        if (place === null) return null
        place.answered ||= await answers(place.url, apiKey)
        return place.answered ? place.url : null
      }),
    hasAnswered: (clusterName) => places.get(clusterName)?.answered ?? false,
    forget(clusterName) {
      places.delete(clusterName)
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}
