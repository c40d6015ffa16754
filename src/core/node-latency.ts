import { DecayedAverage } from './ewma.js'
import { RecentMedian } from './recent-median.js'

/** An observation counts half after this. */
const HALF_LIFE_MS = 10_000
/** With less knowledge than this (one observation, three half-lives ago) an average counts as unknown. */
const LEAST_CONFIDENCE = 0.125
/** What a TTFT is compared by must not be older. */
const COMPARABLE_FOR_MS = 10_000

/** How fast a node answers, as decayed averages in milliseconds; null when not known. Time is an argument. */
export class NodeLatency {
  readonly #idleTtft = new DecayedAverage(HALF_LIFE_MS)
  readonly #ttft = new DecayedAverage(HALF_LIFE_MS)
  readonly #recentTtft = new RecentMedian(COMPARABLE_FOR_MS)
  readonly #itl = new DecayedAverage(HALF_LIFE_MS)

  /** @param load requests at the node */
  observeTtft(ttftMs: number, load: number, nowMs: number): void {
    // A loaded node's TTFT holds its queue; the policy multiplies by the load, so it is taken out here.
    this.#idleTtft.observe(ttftMs / (load + 1), nowMs)
    this.#ttft.observe(ttftMs, nowMs)
    this.#recentTtft.observe(ttftMs, nowMs)
  }

  observeItl(itlMs: number, nowMs: number): void {
    this.#itl.observe(itlMs, nowMs)
  }

  /** TTFT of the idle node. */
  idleTtftMs(nowMs: number): number | null {
    return known(this.#idleTtft, LEAST_CONFIDENCE, nowMs)
  }

  /** TTFT as it was, the queue included. */
  ttftMs(nowMs: number): number | null {
    return known(this.#ttft, LEAST_CONFIDENCE, nowMs)
  }

  itlMs(nowMs: number): number | null {
    return known(this.#itl, LEAST_CONFIDENCE, nowMs)
  }

  /** TTFT as it has been of late, where enough is known of it to be compared with that of others. */
  comparableTtftMs(nowMs: number): number | null {
    return this.#recentTtft.value(nowMs)
  }
}

function known(average: DecayedAverage, least: number, nowMs: number): number | null {
  return average.confidence(nowMs) < least ? null : average.value
}
