import { GatewayError } from '../core/errors.js'
import { HeldCell } from '../core/held-cell.js'
import type { LimitCell } from '../core/limit-cell.js'
import type { LedgerKind, LimitGrant, LimitRequest } from '../core/limit-ledger.js'
import { RateCell } from '../core/rate-cell.js'
import type { LimitScope, ResolvedKey } from '../core/resolved-key.js'
import { type Ask, KeyLimits, type Scoped, type UntilNextMonth } from './key-limits.js'
import { HeldReservation, type Reservation, UNLIMITED_RESERVATION } from './reservation.js'

export interface Exchanged {
  readonly grants: readonly LimitGrant[]
  readonly ledger: LedgerKind
}

export interface TenantLimitsOptions {
  /** Never rejects. */
  readonly exchange: (tenant: TenantLimits, requests: readonly LimitRequest[]) => Promise<Exchanged>
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  readonly untilNextMonth: UntilNextMonth
  /** Something is to be told to the ledger by and by. */
  readonly onRestless: (tenant: TenantLimits) => void
}

interface Waiter {
  readonly limits: KeyLimits
  readonly tokens: number
  readonly nanos: number
  readonly admitted: (reservation: Reservation) => void
  readonly refused: (error: GatewayError) => void
  /** A slot was waited for already. */
  patient: boolean
}

/** Who finds all slots taken asks once more after this: one may be on its way back from another process. */
const SLOT_PATIENCE_MS = 20
/** What one exchange carries at most. */
const MOST_CELLS = 100
/** Of those that wait, so many are asked for at once. */
const MOST_AHEAD = 100
/** Who comes behind so many is turned away. */
const MOST_WAITING = 5_000
/** A limit of which nobody has made use for so long is forgotten. */
const FORGET_MS = 120_000

const SCOPES: readonly LimitScope[] = ['key', 'environment', 'tenant']

/**
 * A tenant's limits in this process: leases of what the ledger holds, and the requests that wait for more. One exchange
 * with the ledger is under way at a time; who comes meanwhile is asked for together in the next one.
 */
export class TenantLimits {
  readonly tenantId: string
  readonly now: () => number
  /** Until then the process's own ledger is asked, since the shared one has just failed for this tenant. */
  aloneUntil = -Infinity
  /** When it last began to fail for this tenant. */
  aloneFrom = -Infinity
  readonly #options: TenantLimitsOptions
  readonly #cells = new Map<string, LimitCell>()
  /** Those that may have something to tell. */
  readonly #watched = new Set<LimitCell>()
  readonly #waiting: Waiter[] = []
  /** Exchanges that were asked for by themselves. */
  readonly #turns: (() => Promise<void>)[] = []
  /** Those for looks at a key's limits: who looks meanwhile sees the same. */
  readonly #looks = new Map<KeyLimits, Promise<void>>()
  /** The last exchange was one of those: what is due is next. */
  #hadTurn = false
  /** Who has found all slots taken and will ask again. */
  #patient = 0
  /** By key; made again when limits, the month or what is held of them change. */
  #keys = new WeakMap<ResolvedKey, KeyLimits>()
  #underWay = false
  #again = false
  #soon = false
  #month = ''
  #spent = { month: '', nanos: 0 }

  constructor(tenantId: string, options: TenantLimitsOptions) {
    this.tenantId = tenantId
    this.#options = options
    this.now = options.now
  }

  /** What applies to a key's requests. @param month as `2026-11`, in UTC */
  of(key: ResolvedKey, month: string): KeyLimits {
    if (month !== this.#month) {
      this.#month = month
      this.#keys = new WeakMap()
    }
    let limits = this.#keys.get(key)
    if (limits === undefined) {
      limits = this.#make(key)
      this.#keys.set(key, limits)
    }
    return limits
  }

  /** It is known that the tenant has spent so much in a month. */
  spent(month: string, nanos: number): void {
    // A late word on the month before must not take the place of this one's.
    if (month >= this.#spent.month) this.#spent = { month, nanos }
    const cell = this.#cells.get(spendId(month))
    if (cell instanceof HeldCell) cell.raiseFloor(nanos)
  }

  /** Lets a request through when all that it needs is here; null: the ledger has to be asked. @throws GatewayError */
  take(limits: KeyLimits, ask: Ask): Reservation | null {
    if (limits.cells.length === 0) return UNLIMITED_RESERVATION
    const now = this.now()
    const tokens = limits.reservable(ask, now)
    if (this.#waiting.length > 0 || !limits.has(tokens, ask.nanos)) {
      const refusal = limits.refusal(tokens, ask.nanos, now)
      if (refusal !== null && refusal.code !== 'concurrency_exceeded') throw refusal
      return null
    }
    return this.#admit(limits, tokens, ask.nanos, now)
  }

  /** Asks the ledger for what a request needs. Rejects with the GatewayError that says why it is not let through. */
  ask(limits: KeyLimits, ask: Ask): Promise<Reservation> {
    return new Promise((admitted, refused) => {
      if (this.#waiting.length >= MOST_WAITING) throw new GatewayError('overloaded')
      const tokens = limits.reservable(ask, this.now())
      this.#waiting.push({ limits, tokens, nanos: ask.nanos, admitted, refused, patient: false })
      this.#exchangeNow()
    })
  }

  /** Something was given back. @param urgent others may be waiting for it */
  changed(limits: KeyLimits, urgent: boolean): void {
    this.#watch(limits.cells)
    if (!urgent || this.#soon) return
    this.#soon = true
    setImmediate(() => {
      this.#soon = false
      this.#exchangeNow()
    })
  }

  /** Tells the ledger what it has to hear. @returns whether there will be more to tell */
  tick(): boolean {
    const now = this.now()
    let due = false
    for (const cell of this.#watched) {
      due ||= cell.isDue(now)
      if (cell.restless || cell.alone) continue
      cell.watched = false
      this.#watched.delete(cell)
    }
    if (due) this.#exchangeNow()
    return this.#watched.size > 0
  }

  /** The shared ledger may be asked again: it has to hear what was used meanwhile, and what is held. */
  async reunite(): Promise<void> {
    await this.#exchangeEach([...this.#cells.values()].filter((cell) => cell.alone || cell.restless))
  }

  /** Tells the shared ledger, of which nothing is asked yet, what was used without it and what requests hold. */
  async state(tell: (statements: readonly LimitRequest[]) => Promise<unknown>): Promise<void> {
    const now = this.now()
    const stated = [...this.#watched].flatMap((cell) => {
      const statement = cell.statement(now)
      return statement === null ? [] : [{ cell, statement }]
    })
    for (let at = 0; at < stated.length; at += MOST_CELLS) {
      const some = stated.slice(at, at + MOST_CELLS)
      await tell(some.map(({ statement }) => statement))
      for (const { cell, statement } of some) cell.stated(statement)
    }
  }

  /** Asks how much is left, whether or not anything is needed. */
  refresh(limits: KeyLimits): Promise<void> {
    let look = this.#looks.get(limits)
    if (look === undefined) {
      look = this.#exchangeEach(limits.cells).finally(() => this.#looks.delete(limits))
      this.#looks.set(limits, look)
    }
    return look
  }

  /** Forgets what nobody uses. @returns whether nothing is left */
  forget(): boolean {
    // Who waits has not taken anything yet.
    if (this.#underWay || this.#waiting.length > 0 || this.#patient > 0) return false
    const before = this.now() - FORGET_MS
    for (const [id, cell] of this.#cells) {
      if (!cell.forgettable || cell.usedAt >= before) continue
      this.#cells.delete(id)
      this.#watched.delete(cell)
    }
    // Those of keys that are gone would be remembered by the others.
    this.#keys = new WeakMap()
    return this.#cells.size === 0
  }

  /** Gives back all that no request holds. */
  async leave(): Promise<void> {
    const restless = [...this.#cells.values()].filter((cell) => cell.restless)
    for (const cell of restless) cell.quiesce()
    await this.#exchangeEach(restless)
  }

  #make(key: ResolvedKey): KeyLimits {
    const ids: Record<LimitScope, string> = {
      key: `key:${key.keyId}`,
      environment: `environment:${key.environmentId}`,
      tenant: 'tenant',
    }
    const rates = (name: 'rate_limit_per_minute' | 'tokens_per_minute', kind: string) =>
      SCOPES.flatMap((scope): Scoped<RateCell>[] => {
        const limit = key.limits[scope][name]
        return limit === null ? [] : [{ scope, cell: this.#cell(RateCell, `${ids[scope]}:${kind}`, limit) }]
      })
    const slots = SCOPES.flatMap((scope): Scoped<HeldCell>[] => {
      const limit = key.limits[scope].max_concurrency
      return limit === null ? [] : [{ scope, cell: this.#cell(HeldCell, `${ids[scope]}:concurrency`, limit) }]
    })
    let spend: HeldCell | null = null
    if (key.monthlyBudgetNanos !== null) {
      spend = this.#cell(HeldCell, spendId(this.#month), key.monthlyBudgetNanos)
      if (this.#spent.month === this.#month) spend.raiseFloor(this.#spent.nanos)
    }
    return new KeyLimits(
      {
        requests: rates('rate_limit_per_minute', 'requests'),
        tokens: rates('tokens_per_minute', 'tokens'),
        slots,
        spend,
      },
      this.#options.untilNextMonth,
    )
  }

  /** The cell of this id, with this limit from now on. */
  #cell<C extends LimitCell>(kind: new (id: string, limit: number) => C, id: string, limit: number): C {
    const known = this.#cells.get(id)
    if (known instanceof kind) {
      known.limit = limit
      return known
    }
    const cell = new kind(id, limit)
    this.#cells.set(id, cell)
    return cell
  }

  #admit(limits: KeyLimits, tokens: number, nanos: number, now: number): Reservation {
    limits.take(tokens, nanos, now)
    this.#watch(limits.cells)
    if (limits.runsLow) this.#exchangeNow()
    return new HeldReservation(this, limits, tokens, nanos)
  }

  #watch(cells: readonly LimitCell[]): void {
    for (const cell of cells) {
      if (cell.watched) continue
      cell.watched = true
      this.#watched.add(cell)
    }
    this.#options.onRestless(this)
  }

  /** Exchanges these, as many at a time as one exchange carries. */
  async #exchangeEach(cells: readonly LimitCell[]): Promise<void> {
    for (let at = 0; at < cells.length; at += MOST_CELLS) {
      const some = cells.slice(at, at + MOST_CELLS)
      await new Promise<void>((resolve) => {
        this.#turns.push(() => this.#exchange(some, []).finally(resolve))
        this.#exchangeNow()
      })
    }
  }

  #exchangeNow(): void {
    if (this.#underWay) {
      this.#again = true
      return
    }
    this.#underWay = true
    const isDue = this.#again || this.#waiting.length > 0
    const turn = this.#hadTurn && isDue ? undefined : this.#turns.shift()
    this.#hadTurn = turn !== undefined
    void (turn === undefined ? this.#exchangeDue() : turn()).finally(() => {
      this.#underWay = false
      if (this.#again || this.#waiting.length > 0 || this.#turns.length > 0) this.#exchangeNow()
    })
  }

  /** What is due, and what those that wait need. */
  async #exchangeDue(): Promise<void> {
    this.#again = false
    const now = this.now()
    const waiting = this.#waiting.slice(0, MOST_AHEAD)
    const cells = new Set<LimitCell>(waiting[0]?.limits.cells)
    for (const { limits } of waiting) {
      if (cells.size + limits.cells.length > MOST_CELLS) break
      for (const cell of limits.cells) cells.add(cell)
    }
    for (const cell of this.#watched) {
      if (cell.isDue(now) || (cell instanceof RateCell && cell.runsLow)) cells.add(cell)
      if (cells.size < MOST_CELLS) continue
      this.#again = true
      break
    }
    await this.#exchange([...cells], waiting)
    this.#serveWaiting()
  }

  async #exchange(cells: readonly LimitCell[], waiting: readonly Waiter[]): Promise<void> {
    if (cells.length === 0) return
    const [first, ...behind] = waiting
    const needs = new Map<LimitCell, number>()
    if (first !== undefined) eachNeed(first, (cell, need) => needs.set(cell, need))
    const more = new Map<LimitCell, number>()
    for (const waiter of behind) {
      eachNeed(waiter, (cell, need) => more.set(cell, (more.get(cell) ?? 0) + need))
    }
    const now = this.now()
    const requests = cells.map((cell) => cell.request(needs.get(cell) ?? 0, more.get(cell) ?? 0, now))
    const { grants, ledger } = await this.#options.exchange(this, requests)
    const then = this.now()
    cells.forEach((cell, at) => {
      const grant = grants[at]
      if (grant !== undefined) cell.granted(grant, ledger, then)
    })
    this.#watch(cells)
  }

  /** Lets through, or refuses, those for whom it is clear now; the others go on waiting. */
  #serveWaiting(): void {
    const now = this.now()
    for (const waiter of this.#waiting.splice(0)) {
      const { limits, tokens, nanos } = waiter
      if (limits.has(tokens, nanos)) {
        waiter.admitted(this.#admit(limits, tokens, nanos, now))
        continue
      }
      const refusal = limits.refusal(tokens, nanos, now)
      if (refusal === null) this.#waiting.push(waiter)
      else if (refusal.code === 'concurrency_exceeded' && !waiter.patient) this.#askAgain(waiter)
      else waiter.refused(refusal)
    }
  }

  #askAgain(waiter: Waiter): void {
    waiter.patient = true
    this.#patient++
    setTimeout(() => {
      this.#patient--
      this.#waiting.push(waiter)
      this.#exchangeNow()
    }, SLOT_PATIENCE_MS)
  }
}

function spendId(month: string): string {
  return `tenant:spend:${month}`
}

function eachNeed({ limits, tokens, nanos }: Waiter, visit: (cell: LimitCell, need: number) => void): void {
  for (const { cell } of limits.requests) visit(cell, 1)
  for (const { cell } of limits.tokens) visit(cell, tokens)
  for (const { cell } of limits.slots) visit(cell, 1)
  if (limits.spend !== null) visit(limits.spend, nanos)
}
