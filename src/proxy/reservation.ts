import type { ExplainedLimit } from '../core/explanation.js'
import type { LimitHeaders } from '../core/limit-headers.js'
import type { KeyLimits } from './key-limits.js'
import type { TenantLimits } from './tenant-limits.js'

/** What a request holds of its key's limits from its admission to its end. */
export interface Reservation {
  /** Whether it counts what the request costs. */
  readonly budgeted: boolean
  /** The request has ended: so many tokens were used, and nano-dollars spent. */
  settle(tokens: number, nanos: number): void
  /** Nothing was done for the request: it counts for nothing. */
  cancel(): void
  /** Each limit that applies, with what is left. */
  left(): ExplainedLimit[]
  /** For the reply. */
  headers(): LimitHeaders
}

const NO_HEADERS: LimitHeaders = {}

/** Of a request that nothing limits. */
export const UNLIMITED_RESERVATION: Reservation = {
  budgeted: false,
  settle() {},
  cancel() {},
  left: () => [],
  headers: () => NO_HEADERS,
}

export class HeldReservation implements Reservation {
  readonly #tenant: TenantLimits
  readonly #limits: KeyLimits
  readonly #tokens: number
  readonly #nanos: number
  #open = true

  constructor(tenant: TenantLimits, limits: KeyLimits, tokens: number, nanos: number) {
    this.#tenant = tenant
    this.#limits = limits
    this.#tokens = tokens
    this.#nanos = nanos
  }

  get budgeted(): boolean {
    return this.#limits.spend !== null
  }

  settle(tokens: number, nanos: number): void {
    this.#end(0, tokens, nanos)
  }

  cancel(): void {
    this.#end(1, 0, 0)
  }

  left(): ExplainedLimit[] {
    return this.#limits.left(this.#tenant.now())
  }

  headers(): LimitHeaders {
    return this.#limits.headers(this.#tenant.now())
  }

  #end(requestsBack: number, tokens: number, nanos: number): void {
    if (!this.#open) return
    this.#open = false
    const { requests, tokens: rates, slots, spend } = this.#limits
    for (const { cell } of requests) cell.settle(requestsBack)
    for (const { cell } of rates) cell.settle(this.#tokens - tokens)
    let urgent = false
    for (const { cell } of slots) {
      cell.release(1)
      if (cell.keepsTooMuch) urgent = true
    }
    spend?.release(this.#nanos, nanos)
    this.#tenant.changed(this.#limits, urgent)
  }
}
