import { GatewayError } from '../core/errors.js'

export interface FailFastOptions {
  /** Whether an error means that the store left a call without an answer. */
  readonly isUnanswered: (thrown: unknown) => boolean
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** How long calls are refused after one that was not answered. Default 1 s. */
  readonly pauseMs?: number
}

/**
 * Guards calls to a store that may hang. After one that was left unanswered, further ones are refused at once for a
 * moment, then a single one may try: so that calls which wait for nothing don't take up the threads that all others
 * need.
 * @returns a function that runs a call, or throws GatewayError overloaded without running it
 */
export function createFailFast(options: FailFastOptions): <T>(call: () => Promise<T>) => Promise<T> {
  const { isUnanswered, now, pauseMs = 1_000 } = options
  let state: 'admitting' | 'rejecting' | 'probing' = 'admitting'
  let rejectUntil = 0

  return async (call) => {
    if (state === 'probing' || (state === 'rejecting' && now() < rejectUntil)) {
      throw new GatewayError('overloaded')
    }
    if (state === 'rejecting') state = 'probing'
    try {
      const result = await call()
      state = 'admitting'
      return result
    } catch (thrown) {
      if (isUnanswered(thrown)) {
        state = 'rejecting'
        rejectUntil = now() + pauseMs
      } else state = 'admitting'
      throw thrown
    }
  }
}
