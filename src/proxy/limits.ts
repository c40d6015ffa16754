import {
  createLimitLedger,
  type LedgerKind,
  type LimitLedger,
  type LimitRequest,
} from '../core/limit-ledger.js'
import type { LimitHeaders } from '../core/limit-headers.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { LimitStore } from '../io/limit-store.js'
import type { Logger } from '../io/logger.js'
import type { Ask, KeyLimits } from './key-limits.js'
import type { Reservation } from './reservation.js'
import { type Exchanged, TenantLimits } from './tenant-limits.js'

/** The clock of limits, and the calendar at the same moment. */
export interface LimitTimes {
  readonly now: number
  readonly unixMs: number
  readonly nextMonthAt: number
}

/** Requests, tokens, concurrency and money: what keys, environments and tenants may use. */
export interface Limits {
  /**
   * Lets a request through at once; null: {@link ask} has to be called. Synchronous, for most requests of a busy key.
   * @throws GatewayError when a limit is reached
   */
  take(key: ResolvedKey, ask: Ask): Reservation | null
  /** Asks the ledger first. Rejects as {@link take} throws. */
  ask(key: ResolvedKey, ask: Ask): Promise<Reservation>
  /** For a reply to a request that was not let through, as far as is known here. */
  headers(key: ResolvedKey): LimitHeaders
  /** What applies to a key, as the ledger has it now. */
  look(key: ResolvedKey): Promise<KeyLimits>
  times(): LimitTimes
  /** ClickHouse knows that a tenant has spent so much in a month (`2026-11`). */
  spent(tenantId: string, month: string, nanos: number): void
  /** Whether every process goes by itself, since the ledger that all share does not answer. */
  readonly alone: boolean
  /** Resolves when it is known whether the shared ledger answers. */
  ready(): Promise<void>
  /** Gives everything back. */
  stop(): Promise<void>
}

export interface LimitsOptions {
  /** Null: this process is the only one. */
  readonly store: LimitStore | null
  /** Processes to reckon with until the store has told how many there are. */
  readonly leastProcesses: number
  readonly logger: Logger
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** Unix milliseconds. */
  readonly date: () => number
  readonly onExchange: (ledger: 'shared' | 'own', failed: boolean) => void
}

/** What changed is told this often; a busy key's leases are renewed by then at the latest. */
const TICK_MS = 50
const PRESENT_MS = 1_000
const FORGET_EVERY_MS = 30_000
/** A Redis that took longer than this so many times in a row is too slow for requests to wait for it. */
const SLOW_MS = 250
const SLOW_TIMES = 3
/** A tenant whose exchange has failed is kept by the process itself for so long. */
const ALONE_MS = 1_000
/** A failure this soon after another one goes on from it. */
const SAME_FAILURE_MS = 3_000
/** A failure may pass at any moment for so long, and what processes held is still theirs in Redis. */
const PASSING_MS = 3_000
/**
 * When Redis is back, processes say what they used and what their requests hold, and still give out their own shares for
 * so long: until all have noticed and said so, it knows of too little.
 */
const REUNITE_MS = 2_500
/** The process's own ledger is kept for so long after it was last asked. */
const KEEP_OWN_MS = 60_000
/** Tenants of which is told at once. */
const MOST_STATEMENTS = 200
/** The clock of a machine may be behind by so much after it was ahead, without having been wrong. */
const CLOCK_SLACK_MS = 300_000

/**
 * Starts keeping limits. Without an answer of the shared ledger each process goes by itself with its share of each limit,
 * the limit ÷ processes, until it is back, and then tells what was used: never unlimited, and never a stop.
 */
export function startLimits(options: LimitsOptions): Limits {
  const { store, logger, now, date, onExchange } = options
  const tenants = new Map<string, TenantLimits>()
  const restless = new Set<TenantLimits>()
  /** What ClickHouse knows of tenants with a budget. */
  const spends = new Map<string, { month: string; nanos: number }>()
  let processes = Math.max(1, options.leastProcesses)
  /** Nobody answers: until then, or for an unknown time. */
  let aloneUntil: number | null = null
  /** When that began, and when the ledger answered again. */
  let aloneFrom = -Infinity
  let backAt = -Infinity
  /** How often in a row it was slow. */
  let slowTimes = 0
  let own: LimitLedger | null = null
  let ownUsedAt = -Infinity
  let month = ''
  let monthFrom = Infinity
  let nextMonth = -Infinity

  function monthNow(): string {
    const at = date()
    // A clock that was wrong, and is put right, ends a month that has not begun.
    if (at >= nextMonth || at < monthFrom - CLOCK_SLACK_MS) {
      month = monthAt(at)
      monthFrom = monthStartAt(at, 0)
      nextMonth = monthStartAt(at, 1)
      for (const [tenantId, known] of spends) if (known.month < month) spends.delete(tenantId)
    }
    return month
  }

  const share = () => (store === null ? 1 : 1 / processes)

  /** The ledger of this process alone. */
  function ownLedger(): LimitLedger {
    ownUsedAt = now()
    own ??= createLimitLedger(now, share)
    return own
  }

  async function exchange(tenant: TenantLimits, requests: readonly LimitRequest[]): Promise<Exchanged> {
    let asked = requests
    let uncertain = false
    if (store !== null && aloneUntil === null && now() >= tenant.aloneUntil) {
      try {
        const grants = await store.exchange(tenant.tenantId, requests)
        onExchange('shared', false)
        return { grants, ledger: SHARED }
      } catch (error) {
        onExchange('shared', true)
        logger.debug({ event: 'limits_exchange_failed', tenantId: tenant.tenantId, error })
        const at = now()
        // It goes on failing, or it fails again.
        if (at - tenant.aloneUntil > SAME_FAILURE_MS) tenant.aloneFrom = at
        tenant.aloneUntil = at + ALONE_MS
        // Whether it answers anybody else is better known soon.
        void presence()
        uncertain = true
        // It may have been done: what was given back must not be given back twice.
        asked = requests.map((one) => (one.kind === 'rate' && one.give > 0 ? { ...one, give: 0 } : one))
      }
    }
    onExchange('own', false)
    const named = asked.map((request) => ({ ...request, id: `${tenant.tenantId}:${request.id}` }))
    const ledger = ownLedger()
    // Once it is back it still knows what it knew when it went.
    const goneMs = aloneUntil === null ? now() - tenant.aloneFrom : Math.min(now(), backAt) - aloneFrom
    const passing = goneMs < PASSING_MS
    return {
      grants: ledger.exchange(named, store === null ? undefined : { passing }),
      ledger: { shared: store === null, share: share(), uncertain },
    }
  }

  function tenantOf(tenantId: string): TenantLimits {
    let tenant = tenants.get(tenantId)
    if (tenant === undefined) {
      tenant = new TenantLimits(tenantId, {
        exchange,
        now,
        untilNextMonth: () => monthStartAt(date(), 1) - date(),
        onRestless: (restlessOne) => restless.add(restlessOne),
      })
      tenants.set(tenantId, tenant)
      const known = spends.get(tenantId)
      if (known !== undefined) tenant.spent(known.month, known.nanos)
    }
    return tenant
  }

  /** Says that this process is there, and notices whether the shared ledger answers. */
  async function present(shared: LimitStore): Promise<void> {
    let there
    try {
      there = await shared.present()
    } catch (error) {
      goAlone(error)
      return
    }
    slowTimes = there.answerMs > SLOW_MS ? slowTimes + 1 : 0
    if (slowTimes >= SLOW_TIMES) {
      goAlone(new Error(`Redis takes ${Math.round(there.answerMs)} ms to answer`))
      // It hears all the same what is used and held: others may have a better way to it.
      await stateAll(shared, now() + PRESENT_MS)
      return
    }
    // Just after an outage it has heard of some only.
    processes = Math.max(1, there.processes, aloneUntil === null ? 0 : processes)
    if (aloneUntil === null) return
    if (aloneUntil === Infinity) {
      backAt = now()
      aloneUntil = backAt + REUNITE_MS
    }
    await stateAll(shared, aloneUntil)
    if (now() < aloneUntil) return
    aloneUntil = null
    logger.info({ event: 'limits_shared', processes }, 'limits are shared again')
    await Promise.all([...tenants.values()].map((tenant) => tenant.reunite()))
  }

  function goAlone(error: unknown): void {
    if (aloneUntil === null) {
      aloneFrom = now()
      logger.warn({ event: 'limits_alone', processes, error }, 'limits are kept by each process for itself')
    }
    aloneUntil = Infinity
    backAt = Infinity
  }

  /** Tells of all tenants, or of as many as there is time for; the others have their turn first the next time. */
  async function stateAll(shared: LimitStore, until: number): Promise<void> {
    const all = [...restless]
    for (let at = 0; at < all.length && (at === 0 || now() < until); at += MOST_STATEMENTS) {
      const some = all.slice(at, at + MOST_STATEMENTS)
      for (const tenant of some) {
        restless.delete(tenant)
        restless.add(tenant)
      }
      await Promise.all(some.map((tenant) => state(shared, tenant)))
    }
  }

  async function state(shared: LimitStore, tenant: TenantLimits): Promise<void> {
    const stated = tenant.state((statements) => shared.exchange(tenant.tenantId, statements))
    await stated.catch((error: unknown) => {
      logger.debug({ event: 'limits_not_stated', tenantId: tenant.tenantId, error })
    })
  }

  let underWay: Promise<void> | null = null
  const presence = () => {
    if (store === null) return Promise.resolve()
    underWay ??= present(store).finally(() => (underWay = null))
    return underWay
  }
  const first = presence()
  const timers = [
    setInterval(() => {
      for (const tenant of restless) if (!tenant.tick()) restless.delete(tenant)
    }, TICK_MS),
    setInterval(() => void presence(), PRESENT_MS),
    setInterval(() => {
      own?.prune()
      if (store !== null && aloneUntil === null && now() - ownUsedAt > KEEP_OWN_MS) own = null
      for (const [id, tenant] of tenants) if (tenant.forget()) tenants.delete(id)
    }, FORGET_EVERY_MS),
  ]

  return {
    take(key, ask) {
      const tenant = tenantOf(key.tenantId)
      return tenant.take(tenant.of(key, monthNow()), ask)
    },
    async ask(key, ask) {
      const tenant = tenantOf(key.tenantId)
      return tenant.ask(tenant.of(key, monthNow()), ask)
    },
    headers: (key) => tenantOf(key.tenantId).of(key, monthNow()).headers(now()),
    async look(key) {
      const tenant = tenantOf(key.tenantId)
      const limits = tenant.of(key, monthNow())
      await tenant.refresh(limits)
      return limits
    },
    times: () => ({ now: now(), unixMs: date(), nextMonthAt: monthStartAt(date(), 1) }),
    spent(tenantId, ofMonth, nanos) {
      if (ofMonth < monthNow()) return
      spends.set(tenantId, { month: ofMonth, nanos })
      tenants.get(tenantId)?.spent(ofMonth, nanos)
    },
    get alone() {
      return aloneUntil !== null
    },
    ready: () => first,
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await underWay
      await Promise.all([...tenants.values()].map((tenant) => tenant.leave()))
      await store?.leave().catch((error: unknown) => {
        logger.debug({ event: 'limits_not_left', error })
      })
    },
  }
}

const SHARED: LedgerKind = { shared: true, share: 1, uncertain: false }

/** The calendar month in UTC, as `2026-11`. */
export function monthAt(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(0, 7)
}

/** When the month of a moment began, or one that comes `later`. */
function monthStartAt(unixMs: number, later: number): number {
  const at = new Date(unixMs)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + later)
}
