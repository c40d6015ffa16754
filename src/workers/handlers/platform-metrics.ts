import { z } from 'zod'
import { getPlatformMetrics } from '../../core/contract/platform-metrics.js'
import { LATENCY_BUCKET_GROWTH } from '../../core/latency-buckets.js'
import { dollarsOfNanos } from '../../core/money.js'
import { PLATFORM_TENANT_ID } from '../../core/usage-record.js'
import { loadQuery } from '../../io/postgres.js'
import { theRowOf } from '../../io/query.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, type Handler, type HandlerContext } from './handler.js'
import { latenciesShown, LatencyColumns } from './latency-columns.js'
import { knownTenants } from './tenant-rows.js'
import { Count, NO_USE, sumsShown, UsageSums } from './usage-rows.js'

const COUNTS = loadQuery('platform-counts')

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TOP = 10

/**
 * How far back each period goes, the rollup that it is read from and the stretches of its series. A day comes from the
 * hourly rollup: by the minute there are as many rows as minutes, keys and models.
 */
const PERIODS = {
  '1h': { lengthMs: HOUR_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '24h': { lengthMs: DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '7d': { lengthMs: 7 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, rollup: 'usage_by_hour', stepMs: DAY_MS },
} as const

/** `at` in Unix seconds; null: all of the period. */
const PointRow = UsageSums.extend({ at: Count.nullable(), ...LatencyColumns.shape })
type PointRow = z.infer<typeof PointRow>

const RankRow = UsageSums.extend({ name: z.string(), total: Count, avg_e2e_micros: z.number() })
type RankRow = z.infer<typeof RankRow>

const CountsRow = z.object({
  total_tenants: Count,
  total_deployments: Count,
  total_nodes: Count,
  unpriced_nodes: Count,
  node_cost_nanos: z.string().transform((text) => BigInt(text)),
})

const NOTHING: PointRow = {
  ...NO_USE,
  at: null,
  avg_latency: null,
  p50_latency: null,
  p95_latency: null,
  p99_latency: null,
  avg_ttft: null,
  p50_ttft: null,
  p95_ttft: null,
  p99_ttft: null,
}

interface Window {
  readonly rollup: string
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
}

function ask<S extends z.ZodType>(
  context: HandlerContext,
  name: string,
  schema: S,
  { rollup, startMs, endMs }: Window,
  parameters: Readonly<Record<string, string | number>>,
): Promise<z.output<S>[]> {
  // The end is within the rollup's last step, which is read whole.
  const end = Math.ceil(endMs / 1000)
  return clickHouseRows(context, name, schema, {
    rollup,
    start: startMs / 1000,
    end,
    platform_id: PLATFORM_TENANT_ID,
    ...parameters,
  })
}

/** What was used, in the contract's words for the platform. */
function used(row: UsageSums) {
  const { cost_usd: revenue_usd, ...same } = sumsShown(row)
  return { ...same, revenue_usd }
}

/** A row for every stretch of the window. */
function seriesOf(rows: readonly PointRow[], { startMs, endMs, stepMs }: Window) {
  const byTime = new Map(rows.map((row) => [row.at, row]))
  return Array.from({ length: Math.ceil((endMs - startMs) / stepMs) }, (_, i) => {
    const at = startMs + i * stepMs
    const row = byTime.get(at / 1000) ?? NOTHING
    const seconds = (Math.min(at + stepMs, endMs) - at) / 1000
    const time = new Date(at).toISOString()
    return { time, ...used(row), requests_per_second: row.requests / seconds, ...latenciesShown(row) }
  })
}

async function tenantRanks(context: HandlerContext, rows: readonly RankRow[]) {
  const tenants = await knownTenants(
    context.db,
    rows.map(({ name }) => name),
  )
  return rows.map((row) => ({
    tenant_id: row.name,
    tenant_name: tenants.get(row.name)?.name ?? null,
    ...used(row),
    avg_latency_ms: row.avg_e2e_micros / 1000,
  }))
}

const platformMetrics = handle(getPlatformMetrics, async ({ query: { period } }, context) => {
  const { lengthMs, rollup, stepMs } = PERIODS[period]
  const endMs = context.now.getTime()
  const startMs = Math.floor((endMs - lengthMs) / stepMs) * stepMs
  const window = { rollup, startMs, endMs, stepMs }
  const [points, models, tenants, [own = NO_USE], counts] = await Promise.all([
    ask(context, 'platform-series', PointRow, window, { step: stepMs / 1000, growth: LATENCY_BUCKET_GROWTH }),
    ask(context, 'platform-top', RankRow, window, { by: 'model', limit: TOP }),
    ask(context, 'platform-top', RankRow, window, { by: 'tenant_id', limit: TOP }),
    ask(context, 'platform-own', UsageSums, window, {}),
    theRowOf(context.db, COUNTS, CountsRow, [new Date(startMs), context.now]),
  ])
  const all = points.find(({ at }) => at === null) ?? NOTHING
  const { requests, revenue_usd, ...sums } = used(all)
  const { node_cost_nanos, ...numbers } = counts
  return {
    period,
    start: new Date(startMs).toISOString(),
    end: context.now.toISOString(),
    total_requests: requests,
    ...sums,
    requests_per_second: requests / ((endMs - startMs) / 1000),
    total_revenue_usd: revenue_usd,
    node_cost_usd: dollarsOfNanos(node_cost_nanos),
    margin_usd: dollarsOfNanos(all.cost_nanos - node_cost_nanos),
    ...latenciesShown(all),
    ...numbers,
    active_tenants: tenants[0]?.total ?? 0,
    by_model: models.map((row) => ({
      model: row.name,
      ...used(row),
      avg_latency_ms: row.avg_e2e_micros / 1000,
    })),
    by_tenant: await tenantRanks(context, tenants),
    mirrored: sumsShown(own),
    series: seriesOf(points, window),
  }
})

export const platformMetricsHandlers: readonly Handler[] = [platformMetrics]
