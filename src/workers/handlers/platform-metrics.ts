import { z } from 'zod'
import { getPlatformMetrics } from '../../core/contract/platform-metrics.js'
import { LATENCY_BUCKET_GROWTH } from '../../core/latency-buckets.js'
import { dollarsOfNanos } from '../../core/money.js'
import { type NodeSpend, NOTHING_SPENT, shownCost, sumOfSpends, sumsByKey } from '../../core/node-cost.js'
import { PLATFORM_TENANT_ID } from '../../core/usage-record.js'
import { loadQuery } from '../../io/postgres.js'
import { theRowOf } from '../../io/query.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, type Handler, type HandlerContext } from './handler.js'
import { latenciesShown, LatencyColumns } from './latency-columns.js'
import { nodeCosts } from './node-costs.js'
import { type PlatformWindow, windowOf } from './platform-periods.js'
import { knownTenants } from './tenant-rows.js'
import { Count, NO_USE, sumsShown, UsageSums } from './usage-rows.js'

const COUNTS = loadQuery('platform-counts')

const TOP = 10

/** `at` in Unix seconds; null: all of the period. */
const PointRow = UsageSums.extend({ at: Count.nullable(), ...LatencyColumns.shape })
type PointRow = z.infer<typeof PointRow>

const RankRow = UsageSums.extend({ name: z.string(), total: Count, avg_e2e_micros: z.number() })
type RankRow = z.infer<typeof RankRow>

const CountsRow = z.object({
  total_tenants: Count,
  total_deployments: Count,
  total_nodes: Count,
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

function ask<S extends z.ZodType>(
  context: HandlerContext,
  name: string,
  schema: S,
  { rollup, startMs, endMs }: PlatformWindow,
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
function seriesOf(rows: readonly PointRow[], { startMs, endMs, stepMs }: PlatformWindow) {
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

/** What the nodes of a model cost, and what came of it. */
function modelCost(spend: NodeSpend) {
  const { usd, usd_per_million_tokens, idle_share } = shownCost(spend)
  return { node_cost_usd: usd, usd_per_million_tokens, idle_share }
}

const platformMetrics = handle(getPlatformMetrics, async ({ query: { period } }, context) => {
  const window = windowOf(period, context.now)
  const { startMs, endMs, stepMs } = window
  const [points, models, tenants, [own = NO_USE], counts, costs] = await Promise.all([
    ask(context, 'platform-series', PointRow, window, { step: stepMs / 1000, growth: LATENCY_BUCKET_GROWTH }),
    ask(context, 'platform-top', RankRow, window, { by: 'model', limit: TOP }),
    ask(context, 'platform-top', RankRow, window, { by: 'tenant_id', limit: TOP }),
    ask(context, 'platform-own', UsageSums, window, {}),
    theRowOf(context.db, COUNTS, CountsRow),
    nodeCosts(context, window, {}),
  ])
  const all = points.find(({ at }) => at === null) ?? NOTHING
  const { requests, revenue_usd, ...sums } = used(all)
  const { nanos } = sumOfSpends(costs)
  const byModel = sumsByKey(costs, ({ model }) => model)
  return {
    period,
    start: new Date(startMs).toISOString(),
    end: context.now.toISOString(),
    total_requests: requests,
    ...sums,
    requests_per_second: requests / ((endMs - startMs) / 1000),
    total_revenue_usd: revenue_usd,
    node_cost_usd: dollarsOfNanos(nanos),
    margin_usd: dollarsOfNanos(all.cost_nanos - nanos),
    ...latenciesShown(all),
    unpriced_nodes: costs.filter(({ unpricedSeconds }) => unpricedSeconds > 0).length,
    ...counts,
    active_tenants: tenants[0]?.total ?? 0,
    by_model: models.map((row) => ({
      model: row.name,
      ...used(row),
      avg_latency_ms: row.avg_e2e_micros / 1000,
      ...modelCost(byModel.get(row.name) ?? NOTHING_SPENT),
    })),
    by_tenant: await tenantRanks(context, tenants),
    mirrored: sumsShown(own),
    series: seriesOf(points, window),
  }
})

export const platformMetricsHandlers: readonly Handler[] = [platformMetrics]
