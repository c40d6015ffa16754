import { GatewayError } from './errors.js'
import { durationText, type LimitHeaders } from './limit-headers.js'
import { decimalOfNanos } from './money.js'
import type { LimitScope } from './resolved-key.js'

/** What a limit counts. */
export type LimitKind = 'requests' | 'tokens' | 'concurrency' | 'spend'

const WHO: Readonly<Record<LimitScope, string>> = {
  key: 'this API key',
  environment: "this API key's environment",
  tenant: 'this account',
}

/** The official clients would try again by themselves. */
const NO_RETRY: LimitHeaders = { 'x-should-retry': 'false' }

export interface Shortage {
  readonly scope: LimitScope
  readonly limit: number
  readonly needed: number
  readonly left: number
  /** Milliseconds until what is needed is there. */
  readonly waitMs: number
  readonly headers: LimitHeaders
}

export function requestsSpent({ scope, limit, waitMs, headers }: Shortage): GatewayError {
  return new GatewayError('rate_limit_exceeded', {
    message: `Rate limit reached: ${WHO[scope]} may make ${limit} ${plural(limit, 'request')} per minute. ${again(waitMs)}`,
    retryAfterMs: Math.ceil(waitMs),
    headers,
  })
}

export function tokensSpent({ scope, limit, needed, left, waitMs, headers }: Shortage): GatewayError {
  const some = Math.max(0, Math.floor(left))
  return new GatewayError('rate_limit_exceeded', {
    type: 'tokens',
    message:
      `Rate limit reached: ${WHO[scope]} may use ${limit} ${plural(limit, 'token')} per minute; this request may take` +
      ` ${needed}, and ${some} ${some === 1 ? 'is' : 'are'} left. ${again(waitMs)}`,
    retryAfterMs: Math.ceil(waitMs),
    headers,
  })
}

/** It could never be let through. */
export function tooManyTokens({ scope, limit, needed, waitMs, headers }: Shortage): GatewayError {
  return new GatewayError('rate_limit_exceeded', {
    type: 'tokens',
    message:
      `The request is too large: it asks for ${needed} tokens, and ${WHO[scope]} may use ${limit} per minute.` +
      ' Ask for fewer with max_tokens.',
    retryAfterMs: Math.ceil(waitMs),
    headers: { ...headers, ...NO_RETRY },
  })
}

export function slotsTaken({ scope, limit, waitMs, headers }: Shortage): GatewayError {
  return new GatewayError('concurrency_exceeded', {
    message:
      `Too many requests at once: ${WHO[scope]} may have ${limit} under way.` +
      ' Try again when one of them has ended.',
    retryAfterMs: waitMs,
    headers,
  })
}

/** What is left is reserved for requests under way, which may cost less. */
export function budgetHeld({ limit, needed, left, waitMs, headers }: Shortage): GatewayError {
  return new GatewayError('insufficient_quota', {
    message:
      `What is left of the monthly budget of ${dollars(limit)} is held by requests under way: ${dollars(left)} are free,` +
      ` and this request may cost ${dollars(needed)}. Try again when some have ended.`,
    retryAfterMs: waitMs,
    headers: { ...headers, ...NO_RETRY },
  })
}

export function budgetSpent({ limit, needed, left, waitMs, headers }: Shortage): GatewayError {
  return new GatewayError('insufficient_quota', {
    message:
      `The monthly budget of ${dollars(limit)} is spent: ${dollars(left)} are left, and this request may cost` +
      ` ${dollars(needed)}. It begins anew with the next month (UTC).`,
    retryAfterMs: Math.ceil(waitMs),
    headers: { ...headers, ...NO_RETRY },
  })
}

function dollars(nanos: number): string {
  const exact = decimalOfNanos(BigInt(Math.max(0, Math.floor(nanos))))
  return `$${exact.replace(/\.?0+$/, '')}`
}

function again(waitMs: number): string {
  return `Try again in ${durationText(Math.max(1, waitMs))}.`
}

function plural(count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`
}
