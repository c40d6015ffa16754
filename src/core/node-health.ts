import type { HealthCheck } from './snapshot.js'

/** A node's health as probes leave it. A new node is healthy until it fails often enough. */
export interface NodeHealth {
  readonly healthy: boolean
  /** Probes in a row that spoke against `healthy`. */
  readonly against: number
}

export const NEW_NODE: NodeHealth = { healthy: true, against: 0 }

/** The health after one more probe: it turns when as many in a row as the threshold say so. */
export function probed(
  health: NodeHealth,
  succeeded: boolean,
  { healthyThreshold, unhealthyThreshold }: HealthCheck,
): NodeHealth {
  if (succeeded === health.healthy) return { healthy: health.healthy, against: 0 }
  const against = health.against + 1
  const threshold = health.healthy ? unhealthyThreshold : healthyThreshold
  return against < threshold ? { healthy: health.healthy, against } : { healthy: succeeded, against: 0 }
}

/**
 * Whether one more failure of the health check would count: it calls the node unhealthy, or keeps it so. Only then is it
 * worth a generation to find out whether the check tells the truth.
 */
export function needsProof(health: NodeHealth, { unhealthyThreshold }: HealthCheck): boolean {
  return !health.healthy || health.against + 1 >= unhealthyThreshold
}
