/** Seconds that a window looks back. */
const SECONDS = 10

/** How many requests ended, and how many of them badly, in the last ten seconds. Unix milliseconds are arguments. */
export class OutcomeWindow {
  readonly #ended = new Float64Array(SECONDS)
  readonly #failed = new Float64Array(SECONDS)
  /** The second that each slot is of. */
  readonly #second = new Float64Array(SECONDS).fill(-1)

  add(failed: boolean, nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    const slot = ((second % SECONDS) + SECONDS) % SECONDS
    if (this.#second[slot] !== second) {
      this.#second[slot] = second
      this.#ended[slot] = 0
      this.#failed[slot] = 0
    }
    this.#ended[slot] = (this.#ended[slot] ?? 0) + 1
    if (failed) this.#failed[slot] = (this.#failed[slot] ?? 0) + 1
  }

  totals(nowMs: number): { ended: number; failed: number } {
    const second = Math.floor(nowMs / 1000)
    const totals = { ended: 0, failed: 0 }
    for (let slot = 0; slot < SECONDS; slot++) {
      // Also what a clock that was set back has put into the future is not of now.
      const age = second - (this.#second[slot] ?? -1)
      if (age < 0 || age >= SECONDS) continue
      totals.ended += this.#ended[slot] ?? 0
      totals.failed += this.#failed[slot] ?? 0
    }
    return totals
  }

  clear(): void {
    this.#second.fill(-1)
  }
}
