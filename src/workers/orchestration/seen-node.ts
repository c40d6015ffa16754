import type { NodeLive } from '../../core/snapshot.js'
import type { SeenNode } from './reconcile-deployment.js'
import { SICK_AFTER_MS } from './sick.js'

/**
 * What the leader sees of a node, as far as it matters for its deployment.
 * @param unhealthySince Unix milliseconds since when its health check fails; null: it does not, or for no known time
 */
export function seenNode(
  live: NodeLive | undefined,
  unhealthySince: number | null,
  nowMs: number,
): SeenNode | null {
  if (live === undefined) return null
  const { healthy, running, waiting, proxies } = live
  return {
    isUnhealthy: !healthy,
    isSick: !healthy && unhealthySince !== null && nowMs - unhealthySince >= SICK_AFTER_MS,
    unhealthySinceMs: healthy ? null : unhealthySince,
    streams: Math.max((running ?? 0) + (waiting ?? 0), proxies?.inFlight ?? 0),
  }
}
