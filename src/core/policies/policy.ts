import type { Strategy } from '../snapshot.js'
import { leastConnections } from './least-connections.js'
import { leastLatency } from './least-latency.js'
import { createPrefixAffinity } from './prefix-affinity.js'
import { createRoundRobin } from './round-robin.js'
import { createWeighted } from './weighted.js'

/** What a policy may know of a target; all candidates are admitted already. */
export interface Candidate {
  /** Stable over snapshots. */
  readonly id: string
  /** Relative share, > 0; lowered while the node is warmed up. */
  readonly weight: number
  /** Over 0 up to 1: grows while a node that is new, or back, is warmed up. */
  readonly warmth: number
  /** Requests at the node now: our own and, as far as is known, those of others. */
  readonly load: number
  /** Predicted milliseconds to the first token of an idle node; null when unknown or stale. */
  readonly predictedTtftMs: number | null
}

/** What a policy may know of a request. */
export interface PolicyRequest {
  /**
   * Hashes of the prompt's first block, of its first two, and so on, salted by tenant; worked out when asked for, empty
   * where there is no prompt to speak of.
   */
  prefix(): readonly number[]
}

/**
 * Picks one of the candidates, of which there is at least one. `random` yields numbers in [0, 1). A policy
 * that remembers is made anew for each route and outlives snapshots.
 */
export type Policy = <C extends Candidate>(
  candidates: readonly C[],
  request: PolicyRequest,
  random: () => number,
) => C

/** A request of which nothing is known. */
export const ANY_REQUEST: PolicyRequest = { prefix: () => [] }

/** The element at `index`; the caller guarantees that it is there. */
export function candidateAt<C extends Candidate>(candidates: readonly C[], index: number): C {
  const candidate = candidates[index]
  if (candidate === undefined) throw new RangeError('A policy was asked to pick from no candidates.')
  return candidate
}

export function createPolicy(strategy: Strategy): Policy {
  switch (strategy) {
    case 'round-robin':
      return createRoundRobin()
    case 'least-connections':
      return leastConnections
    case 'weighted':
      return createWeighted()
    case 'least-latency':
      return leastLatency
    case 'prefix-affinity':
      return createPrefixAffinity()
  }
}
