import { z } from 'zod'
import type { DateRange } from '../../core/date-range.js'
import { dollarsOfNanos } from '../../core/money.js'
import { clickHouseRows } from './clickhouse-rows.js'
import type { HandlerContext } from './handler.js'
import { ownName } from './model-name.js'

/** Reads a tenant's usage out of ClickHouse: most of it from the hourly rollup, the rest from the records. */

const HOUR_MS = 3_600_000
/** Bounds that ClickHouse's times can hold; nothing was recorded beyond them. */
const EARLIEST_MS = 0
const LATEST_MS = Date.UTC(2100, 0)

export const Count = z.coerce.number()

/** Sums of some requests. */
export const UsageSums = z.object({
  requests: Count,
  failed_requests: Count,
  prompt_tokens: Count,
  cached_tokens: Count,
  completion_tokens: Count,
  /** As text: beyond 2^53 a JSON number is not exact. */
  cost_nanos: z.string().transform((text) => BigInt(text)),
})
export type UsageSums = z.infer<typeof UsageSums>

/** Sums of the requests that have the same value, `name`, in a column. */
const GroupRow = UsageSums.extend({ name: z.string(), avg_e2e_micros: z.number() })
export type GroupRow = z.infer<typeof GroupRow>

export interface UsageFilter {
  readonly model?: string | undefined
  readonly api_key_id?: string | undefined
}

/** A tenant's use in a range by model or by API key, the one with the most requests first. */
export async function usageBy(
  context: HandlerContext,
  by: 'model' | 'api_key_id',
  tenantId: string,
  range: DateRange,
  filter: UsageFilter,
): Promise<GroupRow[]> {
  return clickHouseRows(context, 'usage-by', GroupRow, {
    by,
    tenant_id: tenantId,
    ...boundsOf(range),
    ...(await filterOf(context, filter)),
  })
}

/** A filter as the queries take it. */
export async function filterOf(context: HandlerContext, { model, api_key_id }: UsageFilter) {
  return { model: await ownName(context, model), api_key_id: api_key_id ?? null }
}

/** A range, and the whole hours in it, as the queries take them: Unix microseconds. */
export function boundsOf(range: DateRange) {
  const startMs = clamp(range.startMs)
  const endMs = clamp(range.endMs)
  const hoursStartMs = Math.ceil(startMs / HOUR_MS) * HOUR_MS
  const hoursEndMs = Math.max(hoursStartMs, Math.floor(endMs / HOUR_MS) * HOUR_MS)
  return {
    start: startMs * 1000,
    end: endMs * 1000,
    hours_start: hoursStartMs * 1000,
    hours_end: hoursEndMs * 1000,
  }
}

function clamp(atMs: number): number {
  return Math.min(Math.max(atMs, EARLIEST_MS), LATEST_MS)
}

/** Sums as replies show them. */
export function sumsShown(sums: UsageSums) {
  return {
    requests: sums.requests,
    failed_requests: sums.failed_requests,
    prompt_tokens: sums.prompt_tokens,
    completion_tokens: sums.completion_tokens,
    cached_tokens: sums.cached_tokens,
    total_tokens: sums.prompt_tokens + sums.completion_tokens,
    cost_usd: dollarsOfNanos(sums.cost_nanos),
  }
}

/** A group as replies show it, beside its name. */
export function groupUsage(row: GroupRow) {
  return { ...sumsShown(row), avg_latency_ms: row.avg_e2e_micros / 1000 }
}

export function modelUsage(row: GroupRow) {
  return { model: row.name, ...groupUsage(row) }
}

/** The reply of usage in a range, totals and all, from its rows by model. */
export function usageTotals(range: DateRange, rows: readonly GroupRow[]) {
  const { requests, cost_usd, ...counts } = sumsShown(sumOf(rows))
  return {
    start_date: range.startDate,
    end_date: range.endDate,
    total_requests: requests,
    ...counts,
    total_cost_usd: cost_usd,
    by_model: rows.map(modelUsage),
  }
}

/** The sums of no request. */
export const NO_USE: UsageSums = {
  requests: 0,
  failed_requests: 0,
  prompt_tokens: 0,
  cached_tokens: 0,
  completion_tokens: 0,
  cost_nanos: 0n,
}

export function sumOf(rows: readonly UsageSums[]): UsageSums {
  return rows.reduce(
    (sum, row) => ({
      requests: sum.requests + row.requests,
      failed_requests: sum.failed_requests + row.failed_requests,
      prompt_tokens: sum.prompt_tokens + row.prompt_tokens,
      cached_tokens: sum.cached_tokens + row.cached_tokens,
      completion_tokens: sum.completion_tokens + row.completion_tokens,
      cost_nanos: sum.cost_nanos + row.cost_nanos,
    }),
    NO_USE,
  )
}
