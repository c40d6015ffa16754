import type { ModelReport } from '../core/load-report.js'
import { RecentTtft } from '../core/recent-ttft.js'

/** A request that no node could take counts as one that waits for this long: whoever wakes the model looks every few seconds. */
const UNSERVED_FOR_MS = 30_000
/** A model that nobody has asked for in this long is not told of any more. */
const TOLD_FOR_MS = 1_800_000
/** With nothing new for this long, that is told which is to be known of a quiet model. */
const QUIET_AFTER_MS = 30_000

/** What is wanted of a model in this process, for the leader, who decides how many nodes it has. Unix milliseconds are given. */
export class ModelDemand {
  #requestedAt = -Infinity
  #unservedAt = -Infinity
  /** The last time that anything happened. */
  #livelyAt = -Infinity
  readonly #ttft = new RecentTtft()

  /** Somebody asks for it. */
  requested(nowMs: number): void {
    this.#requestedAt = nowMs
    this.#livelyAt = nowMs
  }

  /** A request came that none of its nodes served and that does not wait for one: the next is to find one. */
  unserved(nowMs: number): void {
    this.#unservedAt = nowMs
    this.#livelyAt = nowMs
  }

  /** @param ttftMs from the request to the first token, as its client has it */
  firstToken(ttftMs: number, nowMs: number): void {
    this.#ttft.observe(ttftMs, nowMs)
    this.#livelyAt = nowMs
  }

  /**
   * For the other processes; null: nothing that has to be said now.
   * @param waiting requests that wait here
   * @param isRepeated whether it is the turn of what has been said before, for those who have not heard it
   */
  report(modelId: string, waiting: number, nowMs: number, isRepeated: boolean): ModelReport | null {
    const quietMs = nowMs - this.#livelyAt
    const isQuiet = waiting === 0 && quietMs > QUIET_AFTER_MS
    if (isQuiet && (!isRepeated || quietMs > TOLD_FOR_MS)) return null
    // How many those were that nobody served is not known, since they may come again: one is enough to wake a model.
    const unserved = Math.abs(nowMs - this.#unservedAt) <= UNSERVED_FOR_MS ? 1 : 0
    return {
      modelId,
      waiting: waiting + unserved,
      lastRequestAtMs: this.#requestedAt === -Infinity ? null : this.#requestedAt,
      ttft: this.#ttft.counts(nowMs),
    }
  }
}
