import { createLimitLedger, type LimitLedger, type LimitRequest } from '../core/limit-ledger.js'
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
  /** The ledger of this process alone; null: the shared one answers. */
  let own: LimitLedger | null = store === null ? createLimitLedger(now, 1) : null
  let month = monthAt(date())

  function goAlone(error: unknown): LimitLedger {
    if (own !== null) return own
    own = createLimitLedger(now, 1 / processes)
    logger.warn({ event: 'limits_alone', processes, error }, 'limits are kept by each process for itself')
    return own
  }

  async function exchange(tenantId: string, requests: readonly LimitRequest[]): Promise<Exchanged> {
    if (store !== null && own === null) {
      try {
        const grants = await store.exchange(tenantId, requests)
        onExchange('shared', false)
        return { grants, shared: true }
      } catch (error) {
        onExchange('shared', true)
        goAlone(error)
      }
    }
    const ledger = own ?? goAlone(null)
    onExchange('own', false)
    const named = requests.map((request) => ({ ...request, id: `${tenantId}:${request.id}` }))
    return Promise.resolve({ grants: ledger.exchange(named), shared: store === null })
  }

  function tenantOf(tenantId: string): TenantLimits {
    let tenant = tenants.get(tenantId)
    if (tenant === undefined) {
      tenant = new TenantLimits({
        tenantId,
        exchange,
        now,
        untilNextMonth: () => nextMonthAt(date()) - date(),
        onRestless: (restlessOne) => restless.add(restlessOne),
      })
      tenants.set(tenantId, tenant)
      const known = spends.get(tenantId)
      if (known !== undefined) tenant.spent(known.month, known.nanos)
    }
    return tenant
  }

  /** Says that this process is there, and notices that the shared ledger answers again. */
  async function present(): Promise<void> {
    if (store === null) return
    try {
      processes = Math.max(1, await store.present())
    } catch (error) {
      goAlone(error)
      return
    }
    if (own === null) return
    own = null
    logger.info({ event: 'limits_shared', processes }, 'limits are shared again')
    for (const tenant of tenants.values()) tenant.rejoin()
  }

  const first = present()
  let underWay: Promise<void> | null = first.finally(() => (underWay = null))
  const timers = [
    setInterval(() => {
      for (const tenant of restless) if (!tenant.tick()) restless.delete(tenant)
    }, TICK_MS),
    setInterval(() => {
      month = monthAt(date())
      underWay ??= present().finally(() => (underWay = null))
    }, PRESENT_MS),
    setInterval(() => {
      own?.prune()
      for (const [id, tenant] of tenants) if (tenant.forget()) tenants.delete(id)
    }, FORGET_EVERY_MS),
  ]

  return {
    take(key, ask) {
      const tenant = tenantOf(key.tenantId)
      return tenant.take(tenant.of(key, month), ask)
    },
    async ask(key, ask) {
      const tenant = tenantOf(key.tenantId)
      return tenant.ask(tenant.of(key, month), ask)
    },
    async look(key) {
      const tenant = tenantOf(key.tenantId)
      const limits = tenant.of(key, month)
      await tenant.refresh(limits)
      return limits
    },
    times: () => ({ now: now(), unixMs: date(), nextMonthAt: nextMonthAt(date()) }),
    spent(tenantId, ofMonth, nanos) {
      spends.set(tenantId, { month: ofMonth, nanos })
      tenants.get(tenantId)?.spent(ofMonth, nanos)
    },
    get alone() {
      return store !== null && own !== null
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

/** The calendar month in UTC, as `2026-11`. */
export function monthAt(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(0, 7)
}

function nextMonthAt(unixMs: number): number {
  const at = new Date(unixMs)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1)
}
