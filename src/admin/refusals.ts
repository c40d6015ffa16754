import type { GatewayError } from '../core/errors.js'
import type { Logger } from '../io/logger.js'
import type { HttpCall } from '../io/uws.js'
import type { FailedAttempts } from './failed-attempts.js'

export interface RefusalsOptions {
  readonly attempts: FailedAttempts
  readonly logger: Pick<Logger, 'warn'>
  /** Counts each failed attempt. */
  readonly onFailure: () => void
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** Somebody who guesses must not fill the log. */
const LOG_EVERY_MS = 1_000

/**
 * Answers callers without a valid credential: counted, logged (a line a second at most, which says how many were left
 * out), and slowed when many come from one network. What a proxy says of who it speaks for is not believed: anybody
 * could write such a header.
 */
export function createRefusals(options: RefusalsOptions): (call: HttpCall, error: GatewayError) => void {
  const { attempts, logger, onFailure, now } = options
  let lastLogAt = -Infinity
  let unlogged = 0

  function log(address: string, path: string): void {
    if (now() - lastLogAt < LOG_EVERY_MS) {
      unlogged++
      return
    }
    logger.warn({ event: 'admin_auth_failed', address, path, unlogged })
    lastLogAt = now()
    unlogged = 0
  }

  return (call, error) => {
    if (call.closed) return
    onFailure()
    const address = call.remoteAddress()
    log(address, call.path)
    const verdict = attempts.failed(address)
    if (verdict === 'cut') {
      call.cut()
      return
    }
    if (verdict.delayMs === 0) {
      call.fail(error)
      return
    }
    const timer = setTimeout(() => {
      verdict.release()
      call.fail(error)
    }, verdict.delayMs)
    call.onAbort(() => {
      clearTimeout(timer)
      verdict.release()
    })
  }
}
