import { candidateAt, type Policy } from './policy.js'

/** The candidate with the fewest requests for its weight; ties are broken at random, so that none is favoured. */
export const leastConnections: Policy = (candidates, _request, random) => {
  let best = candidateAt(candidates, 0)
  let ties = 1
  for (let i = 1; i < candidates.length; i++) {
    const candidate = candidateAt(candidates, i)
    // load / weight compared without a division; an idle heavy node does not beat an idle light one.
    const difference = candidate.load * best.weight - best.load * candidate.weight
    if (difference < 0) {
      best = candidate
      ties = 1
    } else if (difference === 0 && random() * ++ties < 1) best = candidate
  }
  return best
}
