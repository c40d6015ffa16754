/** The `x-ratelimit-…` headers, as OpenAI's clients read them. */
export type LimitHeaders = Readonly<Record<string, string>>

/** What is left of a limit. */
export interface LimitLeft {
  readonly limit: number
  /** In whole requests or tokens, 0 or more. */
  readonly remaining: number
  /** Milliseconds until it is whole again. */
  readonly resetMs: number
}

/** @param requests, tokens null: there is no such limit */
export function limitHeaders(requests: LimitLeft | null, tokens: LimitLeft | null): LimitHeaders {
  // Whole literals: this is written for every reply (bench: limits).
  if (requests === null) {
    if (tokens === null) return NONE
    return {
      'x-ratelimit-limit-tokens': String(tokens.limit),
      'x-ratelimit-remaining-tokens': String(tokens.remaining),
      'x-ratelimit-reset-tokens': durationText(tokens.resetMs),
    }
  }
  if (tokens === null) {
    return {
      'x-ratelimit-limit-requests': String(requests.limit),
      'x-ratelimit-remaining-requests': String(requests.remaining),
      'x-ratelimit-reset-requests': durationText(requests.resetMs),
    }
  }
  return {
    'x-ratelimit-limit-requests': String(requests.limit),
    'x-ratelimit-limit-tokens': String(tokens.limit),
    'x-ratelimit-remaining-requests': String(requests.remaining),
    'x-ratelimit-remaining-tokens': String(tokens.remaining),
    'x-ratelimit-reset-requests': durationText(requests.resetMs),
    'x-ratelimit-reset-tokens': durationText(tokens.resetMs),
  }
}

const NONE: LimitHeaders = {}

/** A duration as Go writes it: `120ms`, `1s`, `6m0s`, `1h0m0s`; from a second on rounded up to whole ones. */
export function durationText(ms: number): string {
  const whole = Math.ceil(Math.max(0, ms))
  if (whole < 1_000) return `${whole}ms`
  const seconds = Math.ceil(whole / 1_000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`
}
