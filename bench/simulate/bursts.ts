import type { PolicyRequest } from '../../src/core/policies/policy.js'
import type { NodeRequest, NodeTraits } from './node.js'

/** Mean of the answers' lengths. */
export const MEAN_OUTPUT_TOKENS = 150
const MEAN_PROMPT_TOKENS = 400
const CALM_MS = 5_000
const BURST_MS = 2_000
/** In a burst requests come so many times as often as in calm. */
const BURST_FACTOR = 3

export interface Arrival extends NodeRequest, PolicyRequest {
  readonly atMs: number
}

/**
 * Requests with nothing in common, calm and bursts in turn, at a mean rate that would fill so much of the nodes' slots
 * were none degraded.
 */
export function drawBursts(
  fleet: readonly NodeTraits[],
  durationMs: number,
  utilisation: number,
  random: () => number,
): Arrival[] {
  const perMs =
    utilisation * fleet.reduce((sum, { slots, tokenMs }) => sum + slots / (tokenMs * MEAN_OUTPUT_TOKENS), 0)
  const calmPerMs = (perMs * (CALM_MS + BURST_MS)) / (CALM_MS + BURST_FACTOR * BURST_MS)
  const arrivals: Arrival[] = []
  let atMs = 0
  let isBurst = false
  let changesAt = exponential(CALM_MS, random)
  for (;;) {
    const gap = exponential(1 / (isBurst ? BURST_FACTOR * calmPerMs : calmPerMs), random)
    if (atMs + gap > changesAt) {
      atMs = changesAt
      isBurst = !isBurst
      changesAt += exponential(isBurst ? BURST_MS : CALM_MS, random)
      continue
    }
    atMs += gap
    if (atMs >= durationMs) return arrivals
    arrivals.push({
      atMs,
      blocks: [],
      blocksAfter: [],
      promptTokens: Math.ceil(exponential(MEAN_PROMPT_TOKENS, random)),
      outputTokens: Math.ceil(exponential(MEAN_OUTPUT_TOKENS, random)),
      prefix: () => [],
    })
  }
}

/** Drawn from the exponential distribution. */
export function exponential(mean: number, random: () => number): number {
  return -mean * Math.log(1 - random())
}
