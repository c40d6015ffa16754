/** A node is an outlier from this many times the median of its peers on. */
const TIMES = 5
/** And only from this much on: what nobody feels is no reason. */
const LEAST_EXCESS_MS = 100

/**
 * The TTFT from which a node is far above its peers: five times their median, and at least 100 ms more.
 * @param peers TTFT averages in milliseconds of the model's other nodes that are well enough known
 * @returns null: nothing is known to compare it with
 */
export function slowAbove(peers: readonly number[]): number | null {
  if (peers.length === 0) return null
  const sorted = [...peers].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const median = (upper + lower) / 2
  return Math.max(median * TIMES, median + LEAST_EXCESS_MS)
}
