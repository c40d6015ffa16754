/** A signal that aborts when a time is over, or with another signal. Disposing of it frees the timer. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  /** Whether it was the time that ran out, and not the other signal. */
  readonly expired: boolean
}

/**
 * Starts one. By hand, since `AbortSignal.any` with a signal that outlives many calls keeps something of each of them.
 * @param reason what the signal aborts with when the time is over
 */
export function startDeadline(ms: number, outer: AbortSignal | undefined, reason: () => Error): Deadline {
  const controller = new AbortController()
  let expired = false
  const timer = setTimeout(() => {
    if (controller.signal.aborted) return
    expired = true
    controller.abort(reason())
  }, ms)
  const onAbort = () => {
    controller.abort(outer?.reason)
  }
  if (outer?.aborted === true) onAbort()
  else outer?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    get expired() {
      return expired
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', onAbort)
    },
  }
}
