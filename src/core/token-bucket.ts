/**
 * Lets so many through a second, and after a pause as many at once: in any stretch of t seconds at most
 * perSecond × (t + 1). Holds no clock; times are milliseconds of one that never goes back.
 */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #filledAtMs = -Infinity

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /** Whether there was a token; it is gone then. */
  take(nowMs: number): boolean {
    const refill = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    // With a rate of 0 the first refill is no number.
    if (refill > 0) {
      this.#tokens = Math.min(this.#perSecond, this.#tokens + refill)
      this.#filledAtMs = nowMs
    }
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
