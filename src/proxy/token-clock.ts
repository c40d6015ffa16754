/** When the tokens of an answer came, in `performance.now()` milliseconds. */
export class TokenClock {
  #first = 0
  #last = 0

  /** Tokens came with a read at this time. Returns whether they were the first. */
  tick(atMs: number): boolean {
    this.#last = atMs
    if (this.#first !== 0) return false
    this.#first = atMs
    return true
  }

  /** Whether any token has come. */
  get ticked(): boolean {
    return this.#first !== 0
  }

  /** Microseconds from `startMs` to the first token; null when none came. */
  ttftMicros(startMs: number): number | null {
    return this.#first === 0 ? null : (this.#first - startMs) * 1000
  }

  /** Mean microseconds between tokens; null with fewer than two. */
  itlMicros(tokens: number): number | null {
    return this.#last > this.#first && tokens > 1 ? ((this.#last - this.#first) * 1000) / (tokens - 1) : null
  }
}
