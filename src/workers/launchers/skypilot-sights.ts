import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { SkyPilotCluster, SkyPilotRequest } from '../../core/skypilot-payload.js'
import type { SkyPilot } from '../../io/skypilot.js'
import { createSlots } from './slots.js'

/** What SkyPilot says of clusters and of requests about them. */
export interface Sighting {
  /** Those that are there, by name. */
  readonly clusters: ReadonlyMap<string, SkyPilotCluster>
  /** Those of the ids that were asked for and are known, by id. */
  readonly requests: ReadonlyMap<string, SkyPilotRequest>
  /** What is under way, of the clusters about which that was asked. */
  readonly underWay: ReadonlyMap<string, readonly SkyPilotRequest[]>
}

export interface Question {
  readonly names: readonly string[]
  /** Requests that are known to have been under way, by cluster name. */
  readonly requestIds: ReadonlyMap<string, readonly string[]>
  /**
   * Whether to ask for what is under way about a cluster.
   * @param cluster null: there is none
   */
  readonly isOpen: (name: string, cluster: SkyPilotCluster | null) => boolean
}

export interface SighterOptions {
  readonly client: SkyPilot
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly now: () => number
  /** Between two looks for which SkyPilot asks the clouds about every cluster. */
  readonly forceEveryMs: number
  /** How long a look waits for the clouds; a slow one must not keep the launches of others waiting. */
  readonly refreshWaitMs?: number
}

const REFRESH_WAIT_MS = 5_000

const AT_ONCE = 8
/** After this SkyPilot is asked anew. */
const REFRESH_MS = 120_000
/** Ids in one query: a URL has an end. */
const MOST_IDS = 50

/** Looks at clusters in as few calls as there can be. */
export function createSighter({
  client,
  signal,
  logger,
  now,
  forceEveryMs,
  refreshWaitMs = REFRESH_WAIT_MS,
}: SighterOptions) {
  const slots = createSlots(AT_ONCE)
  let forcedAt = -Infinity
  let isRefreshing = false

  /** States as last seen, and of those that are up as the clouds have them now. */
  async function clustersOf(names: readonly string[]): Promise<Map<string, SkyPilotCluster>> {
    const clusters = byName(await client.status(names, { signal }))
    const up = names.filter((name) => clusters.get(name)?.status === 'UP')
    if (up.length === 0) return clusters
    const found = await refreshed(up)
    for (const name of found === null ? [] : up) {
      const cluster = found?.get(name)
      if (cluster === undefined) clusters.delete(name)
      else clusters.set(name, cluster)
    }
    return clusters
  }

  /** What the clouds say of clusters; null: not yet, or nothing. What they say later, SkyPilot knows at the next look. */
  async function refreshed(names: readonly string[]): Promise<ReadonlyMap<string, SkyPilotCluster> | null> {
    if (isRefreshing) return null
    isRefreshing = true
    const refresh = now() - forcedAt >= forceEveryMs ? 'FORCE' : 'AUTO'
    if (refresh === 'FORCE') forcedAt = now()
    const over = new AbortController()
    const asked = client
      .status(names, { refresh, signal, deadlineMs: REFRESH_MS })
      .then(byName, (error: unknown) => {
        // That a cloud does not answer says nothing of the rest, nor that a machine is gone.
        const reason = error instanceof Error ? error.message : String(error)
        if (!signal.aborted) logger.warn({ event: 'skypilot_not_refreshed', refresh, reason })
        return null
      })
    const ended = asked.finally(() => {
      isRefreshing = false
      over.abort()
    })
    const late = sleep(refreshWaitMs, null, { signal: over.signal }).catch(() => null)
    return await Promise.race([ended, late])
  }

  async function requestsOf(requestIds: readonly string[]): Promise<Map<string, SkyPilotRequest>> {
    const found = new Map<string, SkyPilotRequest>()
    for (let at = 0; at < requestIds.length; at += MOST_IDS) {
      const requests = await client.requests(requestIds.slice(at, at + MOST_IDS), { signal })
      for (const request of requests) found.set(request.requestId, request)
    }
    return found
  }

  /**
   * Looks once. A cluster that is not up and about which nothing is under way is looked for again after that was found
   * out: its launch may have ended in between, and its machine must not pass for absent.
   * @throws SkyPilotError when SkyPilot does not answer
   */
  return async ({ names, requestIds, isOpen }: Question): Promise<Sighting> => {
    const clusters = await clustersOf(names)
    const requests = await requestsOf([...requestIds.values()].flat())
    const asked = names.filter((name) => isOpen(name, clusters.get(name) ?? null))
    const underWay = new Map(
      await Promise.all(
        asked.map((name) =>
          slots.run(async () => [name, await client.requestsOf(name, { signal })] as const),
        ),
      ),
    )
    const isUnderWay = (name: string) =>
      (underWay.get(name)?.length ?? 0) > 0 ||
      (requestIds.get(name) ?? []).some((id) => requests.get(id)?.finishedAt === null)
    const doubtful = names.filter((name) => clusters.get(name)?.status !== 'UP' && !isUnderWay(name))
    if (doubtful.length > 0) {
      const found = byName(await client.status(doubtful, { signal }))
      for (const name of doubtful) {
        const cluster = found.get(name)
        if (cluster === undefined) clusters.delete(name)
        else clusters.set(name, cluster)
      }
    }
    return { clusters, requests, underWay }
  }
}

function byName(clusters: readonly SkyPilotCluster[]): Map<string, SkyPilotCluster> {
  return new Map(clusters.map((cluster) => [cluster.name, cluster]))
}
