import { candidateAt, type Policy } from './policy.js'

/**
 * Each candidate in turn; when the set changes, the turn goes on at the same place. A candidate that is warmed up is
 * passed over now and then, as often as it is colder than the warmest: where all are new they share alike.
 */
export function createRoundRobin(): Policy {
  let turn = -1
  return (candidates, _request, random) => {
    let warmest = 0
    for (const { warmth } of candidates) if (warmth > warmest) warmest = warmth
    for (let looks = candidates.length; ; looks--) {
      turn = (turn + 1) % candidates.length
      const candidate = candidateAt(candidates, turn)
      if (looks <= 1 || candidate.warmth >= warmest || random() * warmest < candidate.warmth) return candidate
    }
  }
}
