/** What nodes cost over a time, and what came of it. */
import { dollarsOfNanos } from './money.js'

/** What a node cost, and did, in the time that is looked at. */
export interface NodeSpend {
  /** That it cost something for, of known price or not. */
  readonly seconds: number
  /** Of these, those of which no price is known. */
  readonly unpricedSeconds: number
  /** Nano-dollars of the others. */
  readonly nanos: bigint
  /** Prompt and completion tokens; null: not known. */
  readonly tokens: number | null
  /** In which a request was under way; null: not known. */
  readonly busySeconds: number | null
}

export const NOTHING_SPENT: NodeSpend = {
  seconds: 0,
  unpricedSeconds: 0,
  nanos: 0n,
  tokens: 0,
  busySeconds: 0,
}

/** Two costs together. What is not known of one is not known of the sum. */
function added(one: NodeSpend, other: NodeSpend): NodeSpend {
  return {
    seconds: one.seconds + other.seconds,
    unpricedSeconds: one.unpricedSeconds + other.unpricedSeconds,
    nanos: one.nanos + other.nanos,
    tokens: plus(one.tokens, other.tokens),
    busySeconds: plus(one.busySeconds, other.busySeconds),
  }
}

/** What some nodes cost together. */
export function sumOfSpends(spends: readonly NodeSpend[]): NodeSpend {
  return spends.reduce(added, NOTHING_SPENT)
}

/** What those that have the same key cost together. */
export function sumsByKey<S extends NodeSpend, K>(
  spends: readonly S[],
  keyOf: (spend: S) => K,
): Map<K, NodeSpend> {
  const sums = new Map<K, NodeSpend>()
  for (const spend of spends) {
    const key = keyOf(spend)
    sums.set(key, added(sums.get(key) ?? NOTHING_SPENT, spend))
  }
  return sums
}

function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}

/**
 * Dollars for a million tokens, of any kind; null: no token came, or not all of the price or of the tokens is known.
 */
export function dollarsPerMillionTokens({ tokens, unpricedSeconds, nanos }: NodeSpend): number | null {
  if (tokens === null || tokens === 0 || unpricedSeconds > 0) return null
  // Nano-dollars a token are thousandths of dollars a million.
  return Number(nanos) / tokens / 1000
}

/** Share, 0 to 1, of the time in which no request was under way; null: not known, or there was no time. */
export function idleShare({ seconds, busySeconds }: NodeSpend): number | null {
  if (busySeconds === null || seconds === 0) return null
  return Math.min(1, Math.max(0, 1 - busySeconds / seconds))
}

/** As the API shows it. */
export function shownCost(spend: NodeSpend) {
  return {
    hours: spend.seconds / 3600,
    unpriced_hours: spend.unpricedSeconds / 3600,
    usd: dollarsOfNanos(spend.nanos),
    tokens: spend.tokens,
    usd_per_million_tokens: dollarsPerMillionTokens(spend),
    idle_share: idleShare(spend),
  }
}
