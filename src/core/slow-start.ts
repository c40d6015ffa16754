/** Share of its usual requests that a node gets first. */
const LEAST = 0.1
const WARM_UP_MS = 30_000

/**
 * How warm a node is: grows evenly from 0.1 to 1 over 30 s after it joined or came back, since caches are cold and
 * kernels not compiled yet. Never falls.
 * @param sinceMs when it joined or came back
 */
export function warmthAt(sinceMs: number, nowMs: number): number {
  const passed = (nowMs - sinceMs) / WARM_UP_MS
  return Math.min(1, Math.max(LEAST, LEAST + (1 - LEAST) * passed))
}

/** How warm one node is over time. */
export class WarmUp {
  /** When it joined or came back; infinite: warm, or to be warmed up from the next look on. */
  #sinceMs: number

  /** @param joins whether it has to be warmed up at all */
  constructor(joins: boolean) {
    this.#sinceMs = joins ? Infinity : -Infinity
  }

  begin(nowMs: number): void {
    this.#sinceMs = nowMs
  }

  /** It begins when the node is looked at next. */
  beginAtNextLook(): void {
    this.#sinceMs = Infinity
  }

  /** @returns the warmth at that time, see {@link warmthAt} */
  look(nowMs: number): number {
    if (this.#sinceMs === -Infinity) return 1
    if (this.#sinceMs === Infinity) this.#sinceMs = nowMs
    const warmth = warmthAt(this.#sinceMs, nowMs)
    if (warmth === 1) this.#sinceMs = -Infinity
    return warmth
  }
}
