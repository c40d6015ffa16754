import { TokenBucket } from './token-bucket.js'

const WINDOW_MS = 1000

interface Counts {
  asked: number
  kept: number
}

/** Keeps so many a second, and knows which share of all that was. Times as {@link TokenBucket} has them. */
export class SampleRate {
  readonly #bucket: TokenBucket
  #window: Counts = { asked: 0, kept: 0 }
  #before: Counts = { asked: 0, kept: 0 }
  #windowAtMs = -Infinity

  constructor(perSecond: number) {
    this.#bucket = new TokenBucket(perSecond)
  }

  /** Whether this one is kept. */
  take(nowMs: number): boolean {
    const sinceMs = nowMs - this.#windowAtMs
    if (sinceMs >= WINDOW_MS) {
      this.#before = sinceMs < 2 * WINDOW_MS ? this.#window : { asked: 0, kept: 0 }
      this.#window = { asked: 0, kept: 0 }
      this.#windowAtMs = nowMs
    }
    this.#window.asked++
    const kept = this.#bucket.take(nowMs)
    if (kept) this.#window.kept++
    return kept
  }

  /** The share that was kept in the last second or two, 0 to 1; 1 when none was asked for. */
  get share(): number {
    const asked = this.#before.asked + this.#window.asked
    return asked === 0 ? 1 : (this.#before.kept + this.#window.kept) / asked
  }
}
