import { z } from 'zod'
import { dateRange, type DateQuery } from '../../core/date-range.js'
import { dollarsOfNanos } from '../../core/money.js'
import { parseUsageCursor, usageCursor } from '../../core/usage-cursor.js'
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

/** A page of a tenant's usage records, the latest first. @throws GatewayError invalid_parameter for a bad cursor */
export async function usageRecords(context: HandlerContext, tenantId: string, query: UsageRecordsQuery) {
  const place = query.cursor === undefined ? null : parseUsageCursor(query.cursor)
  const { start, end } = boundsOf(dateRange(query, context.now.getTime()))
  // One more than the page shows whether another one follows.
  const rows = await clickHouseRows(context, 'usage-records-page', RecordRow, {
    tenant_id: tenantId,
    start,
    end,
    before: place?.endedAtMicros ?? null,
    before_id: place?.requestId ?? null,
    ...(await filterOf(context, query)),
    status: query.status ?? null,
    limit: query.limit + 1,
  })
  const page = rows.slice(0, query.limit)
  const last = rows.length > page.length ? page.at(-1) : undefined
  const next_cursor =
    last === undefined
      ? null
      : usageCursor({ endedAtMicros: last.ended_at_micros, requestId: last.request_id })
  return { data: page.map(recordShown), next_cursor }
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
