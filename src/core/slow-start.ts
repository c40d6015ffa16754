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
