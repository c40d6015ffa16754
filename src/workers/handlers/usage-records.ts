import { z } from 'zod'
import { type DateQuery, type DateRange, dateRange } from '../../core/date-range.js'
import { dollarsOfNanos } from '../../core/money.js'
import { parseUsageCursor, usageCursor, type UsagePlace } from '../../core/usage-cursor.js'
import { clickHouseRows } from './clickhouse-rows.js'
import type { HandlerContext } from './handler.js'
import { boundsOf, Count, filterOf, type UsageFilter } from './usage-rows.js'

/** A usage record as the queries select it. */
export const RecordRow = z.object({
  request_id: z.string(),
  environment_id: z.string(),
  api_key_id: z.string(),
  model_id: z.string(),
  model: z.string(),
  node_id: z.string(),
  node: z.string(),
  endpoint: z.string(),
  stream: z.boolean(),
  status: z.number(),
  error_code: z.string(),
  client_abort: z.boolean(),
  failed: z.boolean(),
  attempts: z.number(),
  resumed: z.number(),
  prompt_tokens: Count,
  cached_tokens: Count,
  completion_tokens: Count,
  counted: z.enum(['reported', 'estimated']),
  cost_nanos: z.string().transform((text) => BigInt(text)),
  ttft_micros: z.number().nullable(),
  itl_micros: z.number().nullable(),
  e2e_micros: z.number(),
  overhead_micros: z.number(),
  started_at_micros: Count,
  ended_at_micros: Count,
})
export type RecordRow = z.infer<typeof RecordRow>

export interface UsageRecordsQuery extends DateQuery, UsageFilter {
  readonly status?: number | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

/** A part of a listing of records: those of a filter and range, the latest first, behind a place in that order. */
export interface RecordsPart {
  readonly tenantId: string
  readonly range: DateRange
  readonly filter: Awaited<ReturnType<typeof filterOf>>
  readonly status: number | null
  /** Null: from the first. */
  readonly after: UsagePlace | null
  readonly limit: number
}

/** At most `limit` records, and the place behind which the next ones stand; null: these are the last. */
export async function recordsPart(context: HandlerContext, part: RecordsPart) {
  const { start, end } = boundsOf(part.range)
  // One more than the part shows whether another one follows.
  const found = await clickHouseRows(context, 'usage-records-page', RecordRow, {
    tenant_id: part.tenantId,
    start,
    end,
    before: part.after?.endedAtMicros ?? null,
    before_id: part.after?.requestId ?? null,
    ...part.filter,
    status: part.status,
    limit: part.limit + 1,
  })
  const rows = found.slice(0, part.limit)
  const last = found.length > rows.length ? rows.at(-1) : undefined
  const next: UsagePlace | null =
    last === undefined ? null : { endedAtMicros: last.ended_at_micros, requestId: last.request_id }
  return { rows, next }
}

/** A page of a tenant's usage records, the latest first. @throws GatewayError invalid_parameter for a bad cursor */
export async function usageRecords(context: HandlerContext, tenantId: string, query: UsageRecordsQuery) {
  const { cursor, limit, api_key_id, status, start_date, end_date, tz } = query
  const filter = await filterOf(context, query)
  // The model's own name: an alias may come to mean another one between two pages.
  const same = [tenantId, filter.model ?? undefined, api_key_id, status, start_date, end_date, tz]
  const reached = cursor === undefined ? null : parseUsageCursor(cursor, same)
  const askedAtMs = reached?.askedAtMs ?? context.now.getTime()
  const { rows, next } = await recordsPart(context, {
    tenantId,
    range: dateRange(query, askedAtMs),
    filter,
    status: status ?? null,
    after: reached?.place ?? null,
    limit,
  })
  const next_cursor = next === null ? null : usageCursor({ place: next, askedAtMs }, same)
  return { data: rows.map(recordShown), next_cursor }
}

/** A usage record as replies show it. */
export function recordShown(row: RecordRow) {
  const { cost_nanos, ttft_micros, itl_micros, e2e_micros, overhead_micros, ...same } = row
  const { started_at_micros, ended_at_micros, error_code, ...rest } = same
  return {
    ...rest,
    error_code: error_code === '' ? null : error_code,
    total_tokens: row.prompt_tokens + row.completion_tokens,
    cost_usd: dollarsOfNanos(cost_nanos),
    latency_ms: e2e_micros / 1000,
    ttft_ms: ttft_micros === null ? null : ttft_micros / 1000,
    itl_ms: itl_micros === null ? null : itl_micros / 1000,
    overhead_ms: overhead_micros / 1000,
    started_at: new Date(started_at_micros / 1000).toISOString(),
    ended_at: new Date(ended_at_micros / 1000).toISOString(),
  }
}

/** The same as its tenant sees it: names of nodes are the operator's. */
export function ownRecordShown(row: RecordRow) {
  return withoutNode(recordShown(row))
}

export function withoutNode<T extends { readonly node: string }>({
  node: _node,
  ...record
}: T): Omit<T, 'node'> {
  return record
}
