import { z } from 'zod'
import { loadQuery } from './postgres.js'
import { type Queryable, rowsOf, theRowOf } from './query.js'

const WANTED = loadQuery('tenant-spend-wanted')
const WRITE = loadQuery('tenant-spend-write')
const SINCE = loadQuery('tenant-spend-since')
const PRUNE = loadQuery('tenant-spend-prune')

/**
 * A row bears the time at which its statement began and is seen when that has been committed: rows are read again for
 * as long as any statement of the leader may take.
 */
const COMMITTED_WITHIN_MS = 15_000

/** What one tenant has spent in one month. */
export interface MonthSpend {
  readonly tenantId: string
  /** Its first day, `YYYY-MM-DD`. */
  readonly month: string
  /** Nano-dollars in decimal: they may be beyond 2^53. */
  readonly spentNanos: string
}

/** Whether any tenant has a budget, so that somebody asks what is spent. */
export async function isSpendWanted(postgres: Queryable): Promise<boolean> {
  return (await theRowOf(postgres, WANTED, z.object({ wanted: z.boolean() }))).wanted
}

/** Keeps what was spent by tenants that have a budget; lower amounts than those known are passed over. */
export async function writeSpend(postgres: Queryable, spend: readonly MonthSpend[]): Promise<void> {
  await postgres.query(WRITE, [
    spend.map(({ tenantId }) => tenantId),
    spend.map(({ month }) => month),
    spend.map(({ spentNanos }) => spentNanos),
  ])
}

/** Forgets months that ended more than a year ago. */
export async function pruneSpend(postgres: Queryable): Promise<void> {
  await postgres.query(PRUNE)
}

/** What tenants have spent this month, as far as it has reached ClickHouse. */
export interface TenantSpend {
  /** When it was read, by the clock of Postgres. */
  readonly at: Date
  /** By tenant id; the month in UTC is `YYYY-MM`, the amount nano-dollars. */
  readonly spent: ReadonlyMap<string, { readonly month: string; readonly nanos: number }>
}

/** A tenant, or the one row that carries the time when there is none. */
const SpendRow = z.object({
  at: z.date(),
  tenant_id: z.string().nullable(),
  month: z.string().nullable(),
  /** Beyond 2^53 the nearest double: right to a millionth of a cent there. */
  spent_nanos: z.coerce.number().nullable(),
})

/**
 * What tenants with a budget have spent in their latest month, for all whose amount changed since a reading before.
 * Readings overlap, so that no change is missed; one may be given several times.
 * @param since `at` of the reading before; null: all
 * @throws when Postgres does not answer
 */
export async function spendSince(postgres: Queryable, since: Date | null): Promise<TenantSpend> {
  const from = since === null ? null : new Date(since.getTime() - COMMITTED_WITHIN_MS)
  const rows = await rowsOf(postgres, SINCE, SpendRow, [from])
  const [first] = rows
  if (first === undefined) throw new Error('a statement that always gives a row gave none')
  const spent = new Map<string, { month: string; nanos: number }>()
  for (const { tenant_id, month, spent_nanos: nanos } of rows) {
    if (tenant_id !== null && month !== null && nanos !== null) spent.set(tenant_id, { month, nanos })
  }
  return { at: first.at, spent }
}
