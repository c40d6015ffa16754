import { candidateAt, type Candidate, type Policy } from './policy.js'

/**
 * The best of three random candidates by predicted TTFT × (requests at the node + 1) ÷ warmth. Not of all: a minimum over
 * averages would send every proxy's requests to the same node at once. A node without a recent TTFT counts as fast as
 * its rival, so that it is tried as its load allows and a slow past is forgotten. A third choice halves the p99 of two
 * in `bench simulate`; a fourth gains little (ADR 0017).
 */
export const leastLatency: Policy = (candidates, _request, random) => {
  const count = candidates.length
  const first = Math.floor(random() * count)
  const a = candidateAt(candidates, first)
  if (count === 1) return a
  // Two that differ, so that the worst of all is never picked; the third may be one of them.
  const b = candidateAt(candidates, (first + 1 + Math.floor(random() * (count - 1))) % count)
  const better = betterOf(a, b)
  return count === 2 ? better : betterOf(better, candidateAt(candidates, Math.floor(random() * count)))
}

function betterOf<C extends Candidate>(a: C, b: C): C {
  return cost(b, a) < cost(a, b) ? b : a
}

function cost(candidate: Candidate, rival: Candidate): number {
  const ttftMs = candidate.predictedTtftMs ?? rival.predictedTtftMs ?? 1
  return (ttftMs * (candidate.load + 1)) / candidate.warmth
}
