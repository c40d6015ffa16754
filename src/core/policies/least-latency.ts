import { candidateAt, type Candidate, type Policy } from './policy.js'

/**
 * Power of two choices on predicted TTFT × (requests at the node + 1) ÷ warmth. Two random candidates are compared, not
 * all: a minimum over averages would send every proxy's requests to the same node at once. A node without a
 * recent TTFT counts as fast as its rival, so that it is tried as its load allows and a slow past is forgotten.
 */
export const leastLatency: Policy = (candidates, _request, random) => {
  const count = candidates.length
  const first = Math.floor(random() * count)
  const a = candidateAt(candidates, first)
  if (count === 1) return a
  const b = candidateAt(candidates, (first + 1 + Math.floor(random() * (count - 1))) % count)
  return cost(b, a) < cost(a, b) ? b : a
}

function cost(candidate: Candidate, rival: Candidate): number {
  const ttftMs = candidate.predictedTtftMs ?? rival.predictedTtftMs ?? 1
  return (ttftMs * (candidate.load + 1)) / candidate.warmth
}
