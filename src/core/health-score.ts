import type { NodeLive } from './snapshot.js'

/** Share of the score that a full KV cache takes: the node still serves, but is about to preempt. */
const KV_CACHE_SHARE = 0.5

/**
 * How well a node does, 0 to 100: 0 when its health check fails; a healthy one loses half at a full KV cache, and what
 * is left is shared out over running and queued requests, so that a queue as long as what runs halves it. What the
 * engine does not say takes nothing.
 */
export function healthScore(
  live: Pick<NodeLive, 'healthy' | 'running' | 'waiting' | 'kvCacheUsage'>,
): number {
  if (!live.healthy) return 0
  const running = Math.max(1, live.running ?? 1)
  const waiting = live.waiting ?? 0
  const cache = 1 - KV_CACHE_SHARE * Math.min(1, live.kvCacheUsage ?? 0)
  // One that serves is never shown like one that does not.
  return Math.max(1, Math.round(100 * cache * (running / (running + waiting))))
}
