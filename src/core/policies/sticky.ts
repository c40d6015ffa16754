import { textHash } from '../prompt-prefix.js'
import { candidateAt, type Candidate } from './policy.js'
import { nodeHashOf, weightedDraw } from './rendezvous.js'

/** The key of a session; equal names of two tenants are two sessions. */
export function sessionHash(tenantId: string, session: string): number {
  return textHash(`${tenantId} ${session}`)
}

/**
 * The candidate that a session is bound to: the same in every proxy, with nothing remembered. A candidate that joins
 * takes its share of the sessions, by weight, and moves no others; the sessions of one that is gone spread over the rest.
 *
 * @throws RangeError when there is no candidate
 */
export function stickyPick<C extends Candidate>(candidates: readonly C[], session: number): C {
  let best = candidateAt(candidates, 0)
  let most = -Infinity
  for (const candidate of candidates) {
    const drawn = weightedDraw(session, nodeHashOf(candidate.id), candidate.weight)
    if (drawn > most) {
      most = drawn
      best = candidate
    }
  }
  return best
}
