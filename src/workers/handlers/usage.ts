import { z } from 'zod'
import { getLatency, getUsage, getUsageByModel } from '../../core/contract/usage.js'
import { dateRange, type DateRange } from '../../core/date-range.js'
import { LATENCY_BUCKET_GROWTH } from '../../core/latency-buckets.js'
import { dollarsOfNanos } from '../../core/money.js'
import { loadClickHouseQuery } from '../../io/clickhouse.js'
import { loadQuery } from '../../io/postgres.js'
import { rowOf } from '../../io/query.js'
import { handle, tenantOf, type Handler, type HandlerContext } from './handler.js'

const OWN_NAME = loadQuery('models-own-name')

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Bounds that ClickHouse's times can hold; nothing was recorded beyond them. */
const EARLIEST_MS = 0
const LATEST_MS = Date.UTC(2100, 0)

const Count = z.coerce.number()

const UsageRow = z.object({
  model: z.string(),
  requests: Count,
  failed_requests: Count,
  prompt_tokens: Count,
  cached_tokens: Count,
  completion_tokens: Count,
  /** As text: beyond 2^53 a JSON number is not exact. */
  cost_nanos: z.string().transform((text) => BigInt(text)),
  avg_e2e_micros: z.number(),
})
type UsageRow = z.infer<typeof UsageRow>

interface UsageFilter {
  readonly model?: string | undefined
  readonly api_key_id?: string | undefined
}

/** The caller's use by model in a range. Most of it comes from the hourly rollup. */
async function usageRows(
  context: HandlerContext,
  range: DateRange,
  filter: UsageFilter,
): Promise<UsageRow[]> {
  const start = clamp(range.startMs)
  const end = clamp(range.endMs)
  const hoursStart = Math.ceil(start / HOUR_MS) * HOUR_MS
  return rowsOf(context, 'usage-by-model', UsageRow, {
    start: micros(start),
    end: micros(end),
    hours_start: micros(hoursStart),
    hours_end: micros(Math.max(hoursStart, Math.floor(end / HOUR_MS) * HOUR_MS)),
    model: await ownName(context, filter.model),
    api_key_id: filter.api_key_id ?? null,
  })
}

function shown(row: UsageRow) {
  return {
    model: row.model,
    requests: row.requests,
    failed_requests: row.failed_requests,
    prompt_tokens: row.prompt_tokens,
    completion_tokens: row.completion_tokens,
    cached_tokens: row.cached_tokens,
    total_tokens: row.prompt_tokens + row.completion_tokens,
    cost_usd: dollarsOfNanos(row.cost_nanos),
    avg_latency_ms: row.avg_e2e_micros / 1000,
  }
}

const usage = handle(getUsage, async ({ query }, context) => {
  const range = dateRange(query, context.now.getTime())
  const rows = await usageRows(context, range, query)
  const sum = (count: (row: UsageRow) => number) => rows.reduce((total, row) => total + count(row), 0)
  return {
    start_date: range.startDate,
    end_date: range.endDate,
    total_requests: sum((row) => row.requests),
    failed_requests: sum((row) => row.failed_requests),
    prompt_tokens: sum((row) => row.prompt_tokens),
    completion_tokens: sum((row) => row.completion_tokens),
    cached_tokens: sum((row) => row.cached_tokens),
    total_tokens: sum((row) => row.prompt_tokens + row.completion_tokens),
    total_cost_usd: dollarsOfNanos(rows.reduce((total, row) => total + row.cost_nanos, 0n)),
    by_model: rows.map(shown),
  }
})

const usageByModel = handle(getUsageByModel, async ({ query }, context) => {
  const rows = await usageRows(context, dateRange(query, context.now.getTime()), query)
  return { data: rows.map(shown) }
})

/** How far back each period goes, and the rollup that it is read from: whole minutes or whole hours. */
const PERIODS = {
  '1h': { lengthMs: HOUR_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '24h': { lengthMs: DAY_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '7d': { lengthMs: 7 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
} as const

const Micros = z.number().nullable()

const LatencyRow = z.object({
  model: z.string(),
  requests: Count,
  avg_latency: Micros,
  p50_latency: Micros,
  p95_latency: Micros,
  p99_latency: Micros,
  avg_ttft: Micros,
  p50_ttft: Micros,
  p95_ttft: Micros,
  p99_ttft: Micros,
  avg_itl: Micros,
  p50_itl: Micros,
  p95_itl: Micros,
  p99_itl: Micros,
})

const latency = handle(getLatency, async ({ query }, context) => {
  const { lengthMs, rollup, stepMs } = PERIODS[query.period]
  const startMs = Math.floor((context.now.getTime() - lengthMs) / stepMs) * stepMs
  const rows = await rowsOf(context, 'latency-by-model', LatencyRow, {
    rollup,
    start: startMs / 1000,
    growth: LATENCY_BUCKET_GROWTH,
    model: await ownName(context, query.model),
  })
  return {
    data: rows.map((row) => ({
      model: row.model,
      requests: row.requests,
      avg_latency_ms: ms(row.avg_latency),
      p50_latency_ms: ms(row.p50_latency),
      p95_latency_ms: ms(row.p95_latency),
      p99_latency_ms: ms(row.p99_latency),
      avg_ttft_ms: ms(row.avg_ttft),
      p50_ttft_ms: ms(row.p50_ttft),
      p95_ttft_ms: ms(row.p95_ttft),
      p99_ttft_ms: ms(row.p99_ttft),
      avg_itl_ms: ms(row.avg_itl),
      p50_itl_ms: ms(row.p50_itl),
      p95_itl_ms: ms(row.p95_itl),
      p99_itl_ms: ms(row.p99_itl),
    })),
  }
})

/** The name that records hold of a model; null: no model is asked for. */
async function ownName({ db }: HandlerContext, name: string | undefined): Promise<string | null> {
  if (name === undefined) return null
  const model = await rowOf(db, OWN_NAME, z.object({ name: z.string() }), [name])
  return model?.name ?? name
}

/** Runs a query file for the caller's tenant, never for another. */
async function rowsOf<S extends z.ZodType>(
  { askClickHouse, actor }: HandlerContext,
  name: string,
  schema: S,
  parameters: Record<string, string | number | null>,
): Promise<z.output<S>[]> {
  const rows = await askClickHouse(async (clickhouse) => {
    const result = await clickhouse.query({
      query: loadClickHouseQuery(name),
      format: 'JSONEachRow',
      query_params: { ...parameters, tenant_id: tenantOf(actor) },
    })
    return result.json()
  })
  return z.array(schema).parse(rows)
}

function clamp(atMs: number): number {
  return Math.min(Math.max(atMs, EARLIEST_MS), LATEST_MS)
}

function micros(milliseconds: number): number {
  return milliseconds * 1000
}

function ms(microseconds: number | null): number | null {
  return microseconds === null ? null : microseconds / 1000
}

export const usageHandlers: readonly Handler[] = [usage, usageByModel, latency]
