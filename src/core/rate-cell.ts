import type { LimitCell } from './limit-cell.js'
import { LimitDemand } from './limit-demand.js'
import type { LimitGrant, RateRequest } from './limit-ledger.js'

/** What the ledger said is believed for so long: who asks again before is refused without asking. */
const FRESH_MS = 50
/** A lease is no more than what the limit lets through in this time. */
const LEASE_MS = 100
/** What was leased and not used goes back. */
const IDLE_MS = 200
/** A lease of less than so many requests of the usual size is none: each request asks. */
const LEAST_LEASE = 4
const MINUTE_MS = 60_000

/**
 * A process's part of a bucket of requests or tokens: what it has leased, what it owes. Slow limits are asked for each
 * request; of busy ones a lease is kept that follows the demand, so that most requests need not ask. Times are
 * milliseconds of a clock that never goes back.
 */
export class RateCell implements LimitCell {
  readonly id: string
  /** Per minute. */
  limit: number
  /** When something was last taken. */
  usedAt = -Infinity
  #available = 0
  /** To be given back with the next exchange; negative: used beyond what was granted. */
  #owed = 0
  /** Requests that may give back something yet. */
  #open = 0
  #left: number
  #seenAt = -Infinity
  #demand = new LimitDemand()
  #lastNeed = 1
  /** Below this more is leased ahead; 0: each request asks. */
  #low = 0
  /** What was granted by another ledger than the shared one, which has to hear of it. */
  #alone = 0
  /** Given back by the exchange that is under way. */
  #giving = 0

  constructor(id: string, limit: number) {
    this.id = id
    this.limit = limit
    this.#left = limit
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

  get forgettable(): boolean {
    return !this.restless && this.#open === 0
  }

  /** The lease is nearly used up. */
  get runsLow(): boolean {
    return this.#available < this.#low
  }

  get restless(): boolean {
    return this.#available !== 0 || this.#owed !== 0
  }

  /** What is left for all, as far as it is known here. */
  left(now: number): number {
    const refilled = this.#seenAt === -Infinity ? 0 : ((now - this.#seenAt) * this.limit) / MINUTE_MS
    return Math.min(this.limit, Math.min(this.limit, this.#left + refilled) + this.#available)
  }

  /** Milliseconds until so much will be there; 0: it is. */
  waitFor(amount: number, now: number): number {
    return Math.max(0, ((amount - this.left(now)) * MINUTE_MS) / this.limit)
  }

  /** Whether the ledger has just said that there is not enough. */
  isKnownShort(amount: number, now: number): boolean {
    return now - this.#seenAt < FRESH_MS && amount > this.left(now)
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
      need: Math.max(0, need - this.#available),
      want: Math.max(0, wanted - this.#available),
      seed: Math.max(0, this.left(now) - this.#available),
    }
  }

  granted({ granted, left }: LimitGrant, shared: boolean, now: number): void {
    const give = this.#giving
    this.#giving = 0
    this.#owed -= give
    this.#available += granted
    this.#left = left
    this.#seenAt = now
    if (!shared) this.#alone += granted - give
  }

  quiesce(): void {
    this.usedAt = -Infinity
    this.#demand = new LimitDemand()
  }

  rejoin(): void {
    this.#owed -= Math.min(this.#alone, this.limit)
    this.#alone = 0
  }

  #isIdle(now: number): boolean {
    return now - this.usedAt > IDLE_MS
  }

  #lease(now: number): number {
    const lease = Math.floor(Math.min((this.limit * LEASE_MS) / MINUTE_MS, this.#demand.ahead(now)))
    return lease < LEAST_LEASE * this.#lastNeed ? 0 : lease
  }
}
