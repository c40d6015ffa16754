/** Retries that are allowed however little is under way. */
const ALWAYS_ALLOWED = 3

/**
 * Bounds what retries add to the load of a model's nodes: when all of them fail, asking each again makes it worse.
 * Counts what is under way, so that it is exact at every moment and needs no clock.
 */
export class RetryBudget {
  /** Requests of the model under way. */
  #active = 0
  /** Retries of them that wait for the first byte of an answer. */
  #retrying = 0

  requestBegan(): void {
    this.#active++
  }

  requestEnded(): void {
    this.#active--
  }

  /** Takes a retry out of the budget. @returns whether there was one */
  tryBegin(percent: number): boolean {
    if (percent <= 0 || this.#retrying >= Math.max(ALWAYS_ALLOWED, (this.#active * percent) / 100))
      return false
    this.#retrying++
    return true
  }

  /** The retry has been answered, or has ended. */
  retryEnded(): void {
    this.#retrying--
  }
}
