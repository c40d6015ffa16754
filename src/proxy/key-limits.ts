import type { GatewayError } from '../core/errors.js'
import type { ExplainedLimit } from '../core/explanation.js'
import type { HeldCell } from '../core/held-cell.js'
import { type LimitHeaders, limitHeaders, type LimitLeft } from '../core/limit-headers.js'
import {
  budgetHeld,
  budgetSpent,
  requestsSpent,
  type Shortage,
  slotsTaken,
  tokensSpent,
  tooManyTokens,
} from '../core/limit-refusal.js'
import type { RateCell } from '../core/rate-cell.js'
import type { LimitScope } from '../core/resolved-key.js'

/** What a request may use, at most. */
export interface Ask {
  readonly tokens: number
  /** Of them those that the request itself asks for; the rest is a guess, which no limit is too small for. */
  readonly stated: number
  /** Of a tenant with a budget: nano-dollars that it may cost. */
  readonly nanos: number
}

export interface Scoped<C> {
  readonly scope: LimitScope
  readonly cell: C
}

export interface KeyCells {
  readonly requests: readonly Scoped<RateCell>[]
  readonly tokens: readonly Scoped<RateCell>[]
  readonly slots: readonly Scoped<HeldCell>[]
  /** Of the month. */
  readonly spend: HeldCell | null
}

/** Milliseconds until the next month begins. */
export type UntilNextMonth = () => number

const MINUTE_MS = 60_000
/** When what running requests hold comes back is not known. */
const HELD_WAIT_MS = 1_000

/** The limits that apply to the requests of one key, in this process. Hot path (bench: limits). */
export class KeyLimits implements KeyCells {
  readonly requests: KeyCells['requests']
  readonly tokens: KeyCells['tokens']
  readonly slots: KeyCells['slots']
  readonly spend: HeldCell | null
  /** All of them. */
  readonly cells: readonly (RateCell | HeldCell)[]
  readonly #untilNextMonth: UntilNextMonth

  constructor({ requests, tokens, slots, spend }: KeyCells, untilNextMonth: UntilNextMonth) {
    this.requests = requests
    this.tokens = tokens
    this.slots = slots
    this.spend = spend
    this.cells = [
      ...[...requests, ...tokens, ...slots].map(({ cell }) => cell),
      ...(spend === null ? [] : [spend]),
    ]
    this.#untilNextMonth = untilNextMonth
  }

  /**
   * The tokens to reserve for a request: what it may use, but no more than there can ever be.
   * @throws GatewayError rate_limit_exceeded when it said itself that it may use more
   */
  reservable({ tokens, stated }: Ask, now: number): number {
    let most = tokens
    for (const { scope, cell } of this.tokens) {
      if (stated > cell.limit) {
        throw tooManyTokens(this.#shortage(scope, cell.limit, stated, 0, MINUTE_MS, now))
      }
      if (cell.limit < most) most = cell.limit
    }
    return most
  }

  /** Whether all that a request needs is here, so that nobody has to be asked. */
  has(tokens: number, nanos: number): boolean {
    for (const { cell } of this.requests) if (!cell.has(1)) return false
    for (const { cell } of this.tokens) if (!cell.has(tokens)) return false
    for (const { cell } of this.slots) if (!cell.has(1)) return false
    return this.spend === null || this.spend.has(nanos)
  }

  take(tokens: number, nanos: number, now: number): void {
    for (const { cell } of this.requests) cell.take(1, now)
    for (const { cell } of this.tokens) cell.take(tokens, now)
    for (const { cell } of this.slots) cell.take(1, now)
    this.spend?.take(nanos, now)
  }

  /** Why a request cannot be let through, as far as that is known without asking; null: it is not known. */
  refusal(tokens: number, nanos: number, now: number): GatewayError | null {
    if (this.spend?.isKnownShort(nanos, now) === true) {
      const { limit, spent } = this.spend
      const left = this.spend.left()
      if (spent + nanos <= limit) {
        return budgetHeld(this.#shortage('tenant', limit, nanos, left, HELD_WAIT_MS, now))
      }
      return budgetSpent(this.#shortage('tenant', limit, nanos, left, this.#untilNextMonth(), now))
    }
    for (const { scope, cell } of this.requests) {
      if (cell.isKnownShort(1, now))
        return requestsSpent(this.#shortage(scope, cell.limit, 1, cell.left(now), cell.waitFor(1, now), now))
    }
    for (const { scope, cell } of this.tokens) {
      if (cell.isKnownShort(tokens, now)) {
        const waitMs = cell.waitFor(tokens, now)
        return tokensSpent(this.#shortage(scope, cell.limit, tokens, cell.left(now), waitMs, now))
      }
    }
    for (const { scope, cell } of this.slots) {
      if (cell.isKnownShort(1, now))
        return slotsTaken(this.#shortage(scope, cell.limit, 1, 0, HELD_WAIT_MS, now))
    }
    return null
  }

  /** Some lease is nearly used up. */
  get runsLow(): boolean {
    for (const { cell } of this.requests) if (cell.runsLow) return true
    for (const { cell } of this.tokens) if (cell.runsLow) return true
    return false
  }

  /** Each of them, with what is left. */
  left(now: number): ExplainedLimit[] {
    const rates = (limit: 'requests' | 'tokens', cells: readonly Scoped<RateCell>[]) =>
      cells.map(({ scope, cell }) => ({ limit, scope, max: cell.limit, remaining: whole(cell.left(now)) }))
    const held = (limit: 'concurrency' | 'spend', scope: LimitScope, cell: HeldCell) => ({
      limit,
      scope,
      max: cell.limit,
      remaining: whole(cell.left()),
    })
    return [
      ...rates('requests', this.requests),
      ...rates('tokens', this.tokens),
      ...this.slots.map(({ scope, cell }) => held('concurrency', scope, cell)),
      ...(this.spend === null ? [] : [held('spend', 'tenant', this.spend)]),
    ]
  }

  /** Of the scope with the least left. */
  headers(now: number): LimitHeaders {
    return limitHeaders(leastLeft(this.requests, now), leastLeft(this.tokens, now))
  }

  #shortage(
    scope: LimitScope,
    limit: number,
    needed: number,
    left: number,
    waitMs: number,
    now: number,
  ): Shortage {
    return { scope, limit, needed, left, waitMs, headers: this.headers(now) }
  }
}

/** What can be shown of what is left. */
function whole(left: number): number {
  return Math.max(0, Math.floor(left))
}

function leastLeft(cells: readonly Scoped<RateCell>[], now: number): LimitLeft | null {
  let least: RateCell | null = null
  let left = 0
  for (const { cell } of cells) {
    const there = cell.left(now)
    if (least !== null && there >= left) continue
    least = cell
    left = there
  }
  if (least === null) return null
  const { limit } = least
  return { limit, remaining: whole(left), resetMs: ((limit - left) * MINUTE_MS) / limit }
}
