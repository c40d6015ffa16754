import type { Market } from '../machine.js'

/** A node that could go. */
export interface LeavingCandidate {
  readonly id: string
  readonly market: Market
  /** One that is still launching serves nobody. */
  readonly launching: boolean
  /** Requests that run on it. */
  readonly streams: number
  /** Unix milliseconds of its launch. */
  readonly launchedAtMs: number
}

/**
 * The nodes that go when there are too many of them, in the order in which they should: those that serve nobody yet;
 * then, in a deployment of spot machines, on-demand ones, which stood in and cost two to three times as much for each hour;
 * then the one with the fewest streams, whose drain is over first; then the newest. No stream is broken either way: what
 * the order saves is money and time.
 */
export function inOrderOfLeaving<C extends LeavingCandidate>(
  candidates: readonly C[],
  useSpot: boolean,
): C[] {
  const standsIn = ({ market }: C) => useSpot && market === 'on_demand'
  return candidates.toSorted(
    (a, b) =>
      Number(b.launching) - Number(a.launching) ||
      Number(standsIn(b)) - Number(standsIn(a)) ||
      a.streams - b.streams ||
      b.launchedAtMs - a.launchedAtMs ||
      (a.id < b.id ? -1 : 1),
  )
}
