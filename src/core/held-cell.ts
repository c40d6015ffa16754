import type { LimitCell } from './limit-cell.js'
import { LimitDemand } from './limit-demand.js'
import type { HeldRequest, HeldSeen, LedgerKind, LimitGrant } from './limit-ledger.js'

/** As for rates, but what others hold comes back at any moment. */
const FRESH_MS = 5
/** Of what is free a process may keep so little for requests to come, and nothing once less than half is. */
const SPARE_SHARE = 1 / 16
/** What was kept for requests that did not come goes back. */
const IDLE_MS = 200
/** So often the ledger has to hear that something is still held; its lease is a few times longer. */
const RENEW_MS = 1_500

/**
 * A process's part of what requests hold while they run: slots of a concurrency limit, or the money that they may cost.
 * While much is free, a few spare ones are kept, so that a busy key need not ask for each request; near the limit each
 * request asks and gives back at once. Times are milliseconds of a clock that never goes back.
 */
export class HeldCell implements LimitCell {
  readonly id: string
  limit: number
  usedAt = -Infinity
  watched = false
  /** By requests under way. */
  #used = 0
  /** What the ledger has granted, used or not. */
  #granted = 0
  /** Spent for good, which the ledger has not heard of. */
  #pending = 0
  /** Spent for good by all, as the shared ledger last said. */
  #spent = 0
  /** Of the shared ledger. */
  #seen: HeldSeen | null = null
  /** What was said to be held by the exchange that is under way. */
  #saying = 0
  /** At least so much is spent, by what else is known. */
  #floor = 0
  #free: number
  #seenAt = -Infinity
  #demand = new LimitDemand()
  /** While it is by itself: what was spent, as far as the bill may not tell it yet. */
  #alone: { spent: number } | null = null
  /** Told as spent by the exchange that is under way, and as spent by itself. */
  #telling = 0
  #tellingDebt = 0

  constructor(id: string, limit: number) {
    this.id = id
    this.limit = limit
    this.#free = limit
  }

  has(amount: number): boolean {
    return this.#used + this.#pending + amount <= this.#granted
  }

  take(amount: number, now: number): void {
    this.#used += amount
    this.#demand.note(amount)
    this.usedAt = now
  }

  /** What was held is free again. @param spent of it was spent for good */
  release(held: number, spent = 0): void {
    this.#used -= held
    this.#pending += spent
  }

  /** It is known that so much has been spent. */
  raiseFloor(spent: number): void {
    const more = Math.max(0, spent - this.#floor)
    this.#floor += more
    if (this.#alone !== null) this.#alone.spent = Math.max(0, this.#alone.spent - more)
  }

  /** More is kept than may be: others should have it at once. */
  get keepsTooMuch(): boolean {
    return this.#kept > this.#spare
  }

  get restless(): boolean {
    return this.#granted !== 0 || this.#used !== 0 || this.#pending !== 0
  }

  isDue(now: number): boolean {
    if (this.#pending !== 0 || this.keepsTooMuch) return true
    return (
      this.#granted !== 0 &&
      (this.#demand.sinceExchange(now) >= RENEW_MS || (this.#isIdle(now) && this.#kept > 0))
    )
  }

  stated(): void {}

  /** Spent for good by all, as far as it is known here. */
  get spent(): number {
    return Math.max(this.#spent, this.#floor) + (this.#alone?.spent ?? 0) + this.#pending
  }

  left(): number {
    return this.#free + this.#kept
  }

  isKnownShort(amount: number, now: number): boolean {
    return now - this.#seenAt < FRESH_MS && amount > this.left()
  }

  request(need: number, more: number, now: number): HeldRequest {
    const inUse = this.#used
    const spare = this.#isIdle(now) ? 0 : this.#spare
    // What became spent is part of what was granted.
    const kept = Math.max(inUse, Math.min(this.#granted - this.#pending, inUse + spare))
    const ahead = Math.max(more, Math.min(spare, this.#demand.ahead(now)))
    this.#telling = this.#pending
    this.#tellingDebt = this.#alone?.spent ?? 0
    const request = {
      kind: 'held',
      id: this.id,
      limit: this.limit,
      add: this.#telling,
      debt: this.#tellingDebt,
      floor: this.#floor,
      held: kept,
      need: Math.max(0, inUse + need - kept),
      want: Math.max(0, inUse + need + ahead - kept),
      seed: this.#spent,
      anew: this.#alone === null,
      seen: this.#seen,
    } as const
    this.#saying = kept
    this.#granted = kept + this.#pending
    this.#demand.exchanged(now)
    return request
  }

  granted({ granted, left, spent }: LimitGrant, ledger: LedgerKind, now: number): void {
    const add = this.#telling
    this.#telling = 0
    this.#pending -= add
    this.#granted += granted - add
    this.#free = left
    this.#seenAt = now
    if (ledger.shared) {
      this.#seen = { held: this.#saying + granted, left }
      this.#spent = spent
      this.#alone = null
      return
    }
    this.#alone ??= { spent: 0 }
    // What the shared one may have been told is not told again: if it was not, the bill makes up for it.
    const change = ledger.uncertain ? -this.#tellingDebt : add
    this.#alone.spent = Math.max(0, this.#alone.spent + change)
  }

  get forgettable(): boolean {
    return !this.restless
  }

  get alone(): boolean {
    return this.#alone !== null
  }

  statement(): HeldRequest | null {
    if (this.#granted === 0) return null
    const { id, limit } = this
    const held = this.#granted - this.#pending
    return {
      kind: 'held',
      id,
      limit,
      add: 0,
      debt: 0,
      floor: this.#floor,
      held,
      need: 0,
      want: 0,
      seed: this.#spent,
      anew: false,
      seen: this.#seen,
    }
  }

  quiesce(): void {
    this.usedAt = -Infinity
    this.#demand = new LimitDemand()
  }

  /** Granted, and neither used nor spent. */
  get #kept(): number {
    return this.#granted - this.#used - this.#pending
  }

  #isIdle(now: number): boolean {
    return now - this.usedAt > IDLE_MS
  }

  get #spare(): number {
    return this.#free * 2 > this.limit ? Math.floor(this.#free * SPARE_SHARE) : 0
  }
}
