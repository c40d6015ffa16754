/** Observations that are looked at. */
const KEPT = 16
/** From so many of them on there is a median. */
const LEAST = 5

/**
 * The median of the last observations, as long as they are fresh. Unlike an average it follows a sudden change after a
 * few of them, however long all was well before, and one outlier does not move it.
 */
export class RecentMedian {
  readonly #freshForMs: number
  readonly #values = new Float64Array(KEPT)
  readonly #times = new Float64Array(KEPT).fill(-Infinity)
  #next = 0

  /** @param freshForMs observations count for so long */
  constructor(freshForMs: number) {
    this.#freshForMs = freshForMs
  }

  observe(value: number, nowMs: number): void {
    this.#values[this.#next] = value
    this.#times[this.#next] = nowMs
    this.#next = (this.#next + 1) % KEPT
  }

  /** Null with fewer than five fresh observations. */
  value(nowMs: number): number | null {
    const fresh = this.#values.filter((_, at) => nowMs - (this.#times[at] ?? -Infinity) < this.#freshForMs)
    if (fresh.length < LEAST) return null
    fresh.sort()
    const middle = fresh.length >> 1
    const upper = fresh[middle] ?? 0
    return fresh.length % 2 === 1 ? upper : (upper + (fresh[middle - 1] ?? 0)) / 2
  }
}
