import { SkyPilotError } from '../../core/skypilot-error.js'
import type { SkyPilotCluster, SkyPilotRequest } from '../../core/skypilot-payload.js'
import type { SkyPilot } from '../../io/skypilot.js'
import { type LaunchSight, launchFailureKind } from './skypilot-state.js'

/**
 * What this process remembers of the launches of clusters. A launch that an earlier process asked for is found by what is
 * under way at SkyPilot; one that has ended meanwhile, by its cluster.
 */
export interface LaunchBook {
  /** Which clusters are wanted, with what is secret of them. What is remembered of others is forgotten in time. */
  know(clusters: readonly (readonly [name: string, secrets: readonly string[]])[]): void
  /** SkyPilot is about to be asked for a cluster. */
  expect(name: string, secrets: readonly string[]): void
  asked(name: string, requestId: string): void
  /** Whether it was heard is not known. */
  doubted(name: string): void
  /** The request that launches a cluster, as long as it is not known to have ended. */
  openRequest(name: string): string | null
  /** Whether something may be under way about a cluster that nothing is known of here. */
  mayBeOpen(name: string, cluster: SkyPilotCluster | null): boolean
  /**
   * Takes in what SkyPilot says.
   * @param requests by id
   * @param open what is under way about the cluster, if that was asked
   */
  follow(
    name: string,
    requests: ReadonlyMap<string, SkyPilotRequest>,
    open: readonly SkyPilotRequest[],
  ): Promise<{ launch: LaunchSight; elapsedMs: number }>
  /** What must not appear in what is shown of a cluster. */
  secretsOf(name: string): readonly string[]
  /** The launch is over, and its end is wanted. */
  forget(name: string): void
}

interface Launch {
  /** Null: whether SkyPilot heard of it is not known. */
  requestId: string | null
  sight: LaunchSight
  /** Unix milliseconds; null: not known. */
  askedAt: number | null
  secrets: readonly string[]
  /** Unix milliseconds, until when an ask whose answer was lost may still be heard. */
  doubtedUntil: number
  /** Whether this process has looked at it. */
  seen: boolean
  /** When it was last among those that are wanted. */
  wantedAt: number
}

const REASON_MS = 20_000
/** A server that takes a call and does not answer may be busy for so long before it does what was asked. */
const DOUBT_MS = 60_000
/** Far longer than from a launch to the next look. */
const KEEP_MS = 10 * 60_000

export function createLaunchBook(client: SkyPilot, signal: AbortSignal, now: () => number): LaunchBook {
  const launches = new Map<string, Launch>()

  function entryOf(name: string): Launch {
    const known = launches.get(name)
    if (known !== undefined) return known
    const entry: Launch = {
      requestId: null,
      sight: { launch: 'unknown' },
      askedAt: null,
      secrets: [],
      doubtedUntil: 0,
      seen: false,
      wantedAt: now(),
    }
    launches.set(name, entry)
    return entry
  }

  const isOpen = ({ sight: { launch } }: Launch) => launch === 'waiting' || launch === 'running'

  return {
    know(clusters) {
      for (const [name, secrets] of clusters) {
        const entry = entryOf(name)
        entry.wantedAt = now()
        entry.secrets = [...new Set([...entry.secrets, ...secrets])]
      }
      for (const [name, { wantedAt }] of launches) if (now() - wantedAt > KEEP_MS) launches.delete(name)
    },
    expect(name, secrets) {
      launches.set(name, { ...entryOf(name), requestId: null, askedAt: now(), secrets, wantedAt: now() })
    },
    asked(name, requestId) {
      const entry = entryOf(name)
      entry.requestId = requestId
      entry.sight = { launch: 'waiting' }
    },
    doubted(name) {
      entryOf(name).doubtedUntil = now() + DOUBT_MS
    },
    openRequest(name) {
      const entry = launches.get(name)
      return entry !== undefined && isOpen(entry) ? entry.requestId : null
    },
    mayBeOpen(name, cluster) {
      const entry = launches.get(name)
      if (entry === undefined || !entry.seen) return true
      return cluster?.status !== 'UP' && !isOpen(entry) && entry.sight.launch !== 'failed'
    },
    async follow(name, requests, open) {
      const entry = entryOf(name)
      entry.seen = true
      const found = open.find((request) => request.name === 'sky.launch')
      if (found !== undefined) {
        entry.requestId = found.requestId
        entry.askedAt ??= found.createdAt?.getTime() ?? null
        entry.sight = { launch: found.status === 'RUNNING' ? 'running' : 'waiting' }
      } else if (isOpen(entry) && entry.requestId !== null) {
        entry.sight = await sightOf(requests.get(entry.requestId), entry.secrets)
      }
      const elapsedMs = entry.askedAt === null ? 0 : now() - entry.askedAt
      const isDoubtful = entry.sight.launch === 'unknown' && now() < entry.doubtedUntil
      return { launch: isDoubtful ? { launch: 'in_doubt' } : entry.sight, elapsedMs }
    },
    secretsOf: (name) => launches.get(name)?.secrets ?? [],
    forget(name) {
      const entry = launches.get(name)
      if (entry !== undefined) entry.sight = { launch: 'unknown' }
    },
  }

  /** @param request undefined: SkyPilot does not know it any more */
  async function sightOf(
    request: SkyPilotRequest | undefined,
    hide: readonly string[],
  ): Promise<LaunchSight> {
    switch (request?.status) {
      case undefined:
        return { launch: 'unknown' }
      case 'PENDING':
      case 'WAITING':
        return { launch: 'waiting' }
      case 'RUNNING':
        return { launch: 'running' }
      case 'SUCCEEDED':
      case 'FAILED':
      case 'CANCELLED':
        break
    }
    try {
      await client.wait(request.requestId, { hide, signal, deadlineMs: REASON_MS })
      return { launch: 'succeeded' }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof SkyPilotError)) throw error
      if (error.kind === 'request_lost') return { launch: 'unknown' }
      // That it ended is known, only not how.
      if (request.status === 'SUCCEEDED') return { launch: 'succeeded' }
      return { launch: 'failed', kind: launchFailureKind(error.kind), reason: error.message }
    }
  }
}
