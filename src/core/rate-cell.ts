import type { LimitCell } from './limit-cell.js'
import { LimitDemand } from './limit-demand.js'
import type { LedgerKind, LimitGrant, LimitRequest, RateRequest } from './limit-ledger.js'

/** What the ledger said is believed for so long: who asks again before is refused without asking. */
const FRESH_MS = 50
/** A lease is no more than what the limit lets through in this time. */
const LEASE_MS = 100
/** What was leased and not used goes back. */
const IDLE_MS = 200
/** A lease of less than so many requests of the usual size is none: each request asks. */
const LEAST_LEASE = 4
const MINUTE_MS = 60_000

/** What a ledger last said. */
interface Seen {
  readonly left: number
  readonly at: number
  readonly share: number
}

/**
 * A process's part of a bucket of requests or tokens: what it has leased, what it owes. Slow limits are asked for each
 * request; of busy ones a lease is kept that follows the demand, so that most requests need not ask. Times are
 * milliseconds of a clock that never goes back.
 */
export class RateCell implements LimitCell {
  readonly id: string
  /** Per minute. */
  limit: number
  usedAt = -Infinity
  watched = false
  #available = 0
  /** To be given back with the next exchange; negative: used beyond what was granted. */
  #owed = 0
  /** Requests that may give back something yet. */
  #open = 0
  #demand = new LimitDemand()
  #lastNeed = 1
  /** Below this more is leased ahead; 0: each request asks. */
  #low = 0
  /** Of the shared ledger; null: it has not been asked. */
  #shared: Seen | null = null
  /** Of the process's own ledger, while it is by itself. */
  #own: Seen | null = null
  /** Of what was used of the process's own bucket the shared ledger knows so much. */
  #told = 0
  /** Given back by the exchange that is under way. */
  #giving = 0

  constructor(id: string, limit: number) {
    this.id = id
    this.limit = limit
  }

  has(amount: number): boolean {
    return amount <= this.#available
  }

  take(amount: number, now: number): void {
    this.#available -= amount
    this.#demand.note(amount)
    this.#lastNeed = amount
    this.#open++
    this.usedAt = now
  }

  /** A request that took something has ended. @param back what it did not use; negative: it used more */
  settle(back: number): void {
    this.#owed += back
    this.#open--
  }

  /** The lease is nearly used up. */
  get runsLow(): boolean {
    return this.#available < this.#low
  }

  get restless(): boolean {
    return this.#available !== 0 || this.#owed !== 0
  }

  get forgettable(): boolean {
    return !this.restless && this.#open === 0
  }

  get alone(): boolean {
    return this.#own !== null
  }

  /** What is left for all, or of the process's share while it is by itself, as far as it is known here. */
  left(now: number): number {
    return Math.min(this.limit, this.#atLedger(this.#own ?? this.#shared, now) + this.#available)
  }

  /** Milliseconds until so much will be there; 0: it is. */
  waitFor(amount: number, now: number): number {
    const perMs = (this.limit * (this.#own?.share ?? 1)) / MINUTE_MS
    return Math.max(0, (amount - this.left(now)) / perMs)
  }

  /** Whether the ledger has just said that there is not enough. */
  isKnownShort(amount: number, now: number): boolean {
    const seenAt = (this.#own ?? this.#shared)?.at ?? -Infinity
    return now - seenAt < FRESH_MS && amount > this.left(now)
  }

  isDue(now: number): boolean {
    return this.#owed !== 0 || (this.#available > 0 && this.#isIdle(now))
  }

  request(need: number, more: number, now: number): RateRequest {
    const lease = this.#lease(now)
    const wanted = need + Math.max(more, lease)
    if (wanted === 0 && this.#isIdle(now) && this.#available > 0) {
      this.#owed += this.#available
      this.#available = 0
    }
    this.#low = lease / 2
    this.#giving = this.#owed
    this.#demand.exchanged(now)
    return {
      kind: 'rate',
      id: this.id,
      limit: this.limit,
      give: this.#giving,
      debt: this.#debt(now),
      need: Math.max(0, need - this.#available),
      want: Math.max(0, wanted - this.#available),
      seed: Math.max(0, this.#atLedger(this.#shared, now)),
      anew: this.#own === null,
    }
  }

  granted({ granted, left }: LimitGrant, { shared, share }: LedgerKind, now: number): void {
    this.#owed -= this.#giving
    this.#giving = 0
    this.#available += granted
    const seen = { left, at: now, share }
    if (shared) {
      this.#shared = seen
      this.#own = null
      this.#told = 0
    } else this.#own = seen
  }

  statement(now: number): RateRequest | null {
    const debt = this.#debt(now)
    if (debt === 0) return null
    const { id, limit } = this
    const seed = Math.max(0, this.#atLedger(this.#shared, now))
    return { kind: 'rate', id, limit, give: 0, debt, need: 0, want: 0, seed, anew: false }
  }

  stated({ debt }: LimitRequest): void {
    this.#told += debt
  }

  quiesce(): void {
    this.usedAt = -Infinity
    this.#demand = new LimitDemand()
  }

  /**
   * What the shared ledger has too much of, since it has not heard what was used of the process's own bucket. That one was
   * filled like its share of the shared one, so what it has less than that share was used.
   */
  #debt(now: number): number {
    if (this.#own === null) return 0
    const unheard = this.#own.share * this.#atLedger(this.#shared, now) - this.#atLedger(this.#own, now)
    return Math.min(this.limit, Math.max(0, unheard - this.#told))
  }

  /** What a ledger has by now, by what it last said. */
  #atLedger(seen: Seen | null, now: number): number {
    if (seen === null) return this.limit
    const most = this.limit * seen.share
    return Math.min(Math.max(most, seen.left), seen.left + ((now - seen.at) * most) / MINUTE_MS)
  }

  #isIdle(now: number): boolean {
    return now - this.usedAt > IDLE_MS
  }

  #lease(now: number): number {
    const lease = Math.floor(Math.min((this.limit * LEASE_MS) / MINUTE_MS, this.#demand.ahead(now)))
    return lease < LEAST_LEASE * this.#lastNeed ? 0 : lease
  }
}
