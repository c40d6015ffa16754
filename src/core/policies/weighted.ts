import { candidateAt, type Policy } from './policy.js'

/**
 * Smooth weighted round-robin (nginx's): shares follow the weights exactly over a cycle, and a heavy node's
 * turns are spread out. Each pick adds every candidate's weight to its credit, takes the richest and charges
 * it the sum. Credits of candidates that are gone are forgotten.
 */
export function createWeighted(): Policy {
  let credits = new Map<string, number>()
  return (candidates) => {
    const next = new Map<string, number>()
    let total = 0
    let best = candidateAt(candidates, 0)
    let most = -Infinity
    for (const candidate of candidates) {
      const credit = (credits.get(candidate.id) ?? 0) + candidate.weight
      next.set(candidate.id, credit)
      total += candidate.weight
      if (credit > most) {
        most = credit
        best = candidate
      }
    }
    next.set(best.id, most - total)
    credits = next
    return best
  }
}
