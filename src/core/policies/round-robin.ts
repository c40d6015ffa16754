import { candidateAt, type Policy } from './policy.js'

/**
 * Each candidate in turn; when the set changes, the turn goes on at the same place. A candidate that is warmed up is
 * passed over now and then, as often as its warmth is short of 1; where all are, the last one looked at is taken.
 */
export function createRoundRobin(): Policy {
  let turn = -1
  return (candidates, _request, random) => {
    for (let looks = candidates.length; ; looks--) {
      turn = (turn + 1) % candidates.length
      const candidate = candidateAt(candidates, turn)
      if (looks <= 1 || candidate.warmth >= 1 || random() < candidate.warmth) return candidate
    }
  }
}
