/** What callers of a model may expect of it; docs/endpoints.md says the same in words. */
export const ENDPOINT_STATUSES = ['available', 'degraded', 'unavailable'] as const
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number]

/** A model's nodes as one proxy sees them. */
export interface NodeTally {
  /** That are to take requests, healthy or not. */
  readonly serving: number
  /** Those of them whose health nobody doubts. */
  readonly healthy: number
  /** Those of the healthy that have room for one more request. */
  readonly withRoom: number
}

/**
 * The state of a model by its nodes. Where none is healthy requests are still tried (see `isPanic` in ejection.ts), but
 * who chooses a model should not count on that.
 */
export function endpointStatus({ serving, healthy, withRoom }: NodeTally): EndpointStatus {
  if (healthy === 0) return 'unavailable'
  return healthy < serving || withRoom === 0 ? 'degraded' : 'available'
}
