import type { BreakerState } from './breaker.js'
import type { NodeLive } from './snapshot.js'

/** Share of the score that a full KV cache takes: the node still serves, but is about to preempt. */
const KV_CACHE_SHARE = 0.5

/** Most of the score where a proxy is trying the node after its breaker had opened, and where one sends it nothing. */
const MOST_PROBING = 50
const MOST_REJECTED = 10

/**
 * How well a node does, 0 to 100: 0 when its health check fails; a healthy one loses half at a full KV cache, what is
 * left is shared out over running and queued requests, so that a queue as long as what runs halves it, and loses the
 * share of its requests that failed of late. Breakers that are not admitting bound it. What nobody says takes nothing.
 */
export function healthScore(
  live: Pick<NodeLive, 'healthy' | 'running' | 'waiting' | 'kvCacheUsage' | 'proxies'>,
): number {
  if (!live.healthy) return 0
  const running = Math.max(1, live.running ?? 1)
  const waiting = live.waiting ?? 0
  const cache = 1 - KV_CACHE_SHARE * Math.min(1, live.kvCacheUsage ?? 0)
  const works = 1 - (live.proxies?.errorRate ?? 0)
  const score = Math.round(100 * cache * works * (running / (running + waiting)))
  // One that serves is never shown like one that does not.
  return Math.max(1, Math.min(mostOf(live.proxies?.breaker), score))
}

function mostOf(breaker: BreakerState | undefined): number {
  switch (breaker) {
    case 'rejecting':
      return MOST_REJECTED
    case 'probing':
      return MOST_PROBING
    case 'admitting':
    case undefined:
      return 100
  }
}
