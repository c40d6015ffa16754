import type { Logger } from 'pino'
import { SkyPilotError } from '../../core/skypilot-error.js'
import type { SkyPilot } from '../../io/skypilot.js'
import { createSlots } from './slots.js'

/** Ends clusters. What is under way is found again at SkyPilot; only how often one has failed to end is remembered here. */
export interface Removal {
  /**
   * Cancels what launches a cluster and asks for its end, unless that is under way; resolves when SkyPilot has heard it.
   * @throws SkyPilotError when it has not; the signal's reason
   */
  remove(clusterName: string): Promise<void>
  /** The request that ends a cluster, if this process asked for it. */
  requestId(clusterName: string): string | null
  /** Nothing is left of it. */
  forget(clusterName: string): void
}

export interface RemovalOptions {
  readonly client: SkyPilot
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** Between a failure and the next attempt. */
  readonly pauseMs: number
  /** A cluster that fails to end for so long is forgotten by SkyPilot, whatever the cloud says. */
  readonly purgeAfterMs: number
}

interface Ending {
  requestId: string
  askedAt: number
  failingSince: number | null
}

const AT_ONCE = 8
const REASON_MS = 20_000

export function createRemoval({
  client,
  signal,
  logger,
  now,
  pauseMs,
  purgeAfterMs,
}: RemovalOptions): Removal {
  const endings = new Map<string, Ending>()
  const slots = createSlots(AT_ONCE)

  /** Why an ending failed; null: it did not, or nobody knows. */
  async function failureOf(requestId: string): Promise<string | null> {
    const [request] = await client.requests([requestId], { signal })
    if (request?.status !== 'FAILED') return null
    try {
      await client.wait(requestId, { hide: [], signal, deadlineMs: REASON_MS })
      return null
    } catch (error) {
      if (!(error instanceof SkyPilotError)) throw error
      return error.kind === 'cluster_does_not_exist' ? null : error.message
    }
  }

  async function removeNow(clusterName: string): Promise<void> {
    const open = await client.requestsOf(clusterName, { signal })
    const launches = open.filter(({ name }) => name === 'sky.launch').map(({ requestId }) => requestId)
    if (launches.length > 0) await client.cancel(launches, { signal })
    if (open.some(({ name }) => name === 'sky.down')) return
    const last = endings.get(clusterName)
    let failingSince: number | null = null
    if (last !== undefined) {
      const reason = await failureOf(last.requestId)
      if (reason !== null) {
        if (last.failingSince === null) {
          last.failingSince = last.askedAt
          logger.warn({ event: 'skypilot_down_failed', cluster: clusterName, reason })
        }
        failingSince = last.failingSince
        if (now() - last.askedAt < pauseMs) return
      }
    }
    const purge = failingSince !== null && now() - failingSince >= purgeAfterMs
    if (purge) logger.error({ event: 'skypilot_cluster_purged', cluster: clusterName })
    const requestId = await client.startDown(clusterName, { purge, signal })
    endings.set(clusterName, { requestId, askedAt: now(), failingSince })
  }

  return {
    remove: (clusterName) => slots.run(() => removeNow(clusterName)),
    requestId: (clusterName) => endings.get(clusterName)?.requestId ?? null,
    forget(clusterName) {
      endings.delete(clusterName)
    },
  }
}
