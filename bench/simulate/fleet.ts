import { BLOCK_TOKENS, type NodeTraits } from './node.js'

/** Tokens of prompts and answers that a node keeps: some 60 GB of KV cache for an 8B model. */
const CACHE_TOKENS = 480_000
const DEGRADED_SHARE = 0.2
const DEGRADED_MS = 30_000
const DEGRADED_SLOWDOWN = 5

export interface FleetPlan {
  readonly nodes: number
  /** For which a node may be degraded. */
  readonly durationMs: number
  /** The fastest over the slowest; 1: all alike. */
  readonly spread: number
  readonly degraded: boolean
}

/** Nodes between a large and a small GPU; a fifth of them is degraded for half a minute each. */
export function drawFleet(
  { nodes, durationMs, spread, degraded }: FleetPlan,
  random: () => number,
): NodeTraits[] {
  return Array.from({ length: nodes }, (_, index): NodeTraits => {
    const speed = spread ** -random()
    const slots = Math.round(8 + 24 * speed)
    const tokenMs = 25 / speed
    const isDegraded = degraded && random() < DEGRADED_SHARE
    const from = random() * Math.max(0, durationMs - DEGRADED_MS)
    return {
      id: `node-${index}`,
      weight: slots / tokenMs,
      slots,
      tokenMs,
      prefillTokensPerSecond: 12_000 * speed,
      cacheBlocks: CACHE_TOKENS / BLOCK_TOKENS,
      slowdown: (nowMs) =>
        isDegraded && nowMs >= from && nowMs < from + DEGRADED_MS ? DEGRADED_SLOWDOWN : 1,
    }
  })
}
