import { z } from 'zod'
import { getLatency, getUsage, getUsageByModel } from '../../core/contract/usage.js'
import { dateRange } from '../../core/date-range.js'
import { LATENCY_BUCKET_GROWTH } from '../../core/latency-buckets.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, tenantOf, type Handler } from './handler.js'
import { AllLatencyColumns, allLatenciesShown } from './latency-columns.js'
import { ownName } from './model-name.js'
import { Count, modelUsage, usageByModel, usageTotals } from './usage-rows.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const usage = handle(getUsage, async ({ query }, context) => {
  const range = dateRange(query, context.now.getTime())
  return usageTotals(range, await usageByModel(context, tenantOf(context.actor), range, query))
})

const byModel = handle(getUsageByModel, async ({ query }, context) => {
  const range = dateRange(query, context.now.getTime())
  const rows = await usageByModel(context, tenantOf(context.actor), range, query)
  return { data: rows.map(modelUsage) }
})

/** How far back each period goes, and the rollup that it is read from: whole minutes or whole hours. */
const PERIODS = {
  '1h': { lengthMs: HOUR_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '24h': { lengthMs: DAY_MS, rollup: 'usage_by_minute', stepMs: 60_000 },
  '7d': { lengthMs: 7 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS },
} as const

const LatencyRow = AllLatencyColumns.extend({ model: z.string(), requests: Count })

const latency = handle(getLatency, async ({ query }, context) => {
  const { lengthMs, rollup, stepMs } = PERIODS[query.period]
  const startMs = Math.floor((context.now.getTime() - lengthMs) / stepMs) * stepMs
  const rows = await clickHouseRows(context, 'latency-by-model', LatencyRow, {
    tenant_id: tenantOf(context.actor),
    rollup,
    start: startMs / 1000,
    growth: LATENCY_BUCKET_GROWTH,
    model: await ownName(context, query.model),
  })
  return {
    data: rows.map((row) => ({ model: row.model, requests: row.requests, ...allLatenciesShown(row) })),
  }
})

export const usageHandlers: readonly Handler[] = [usage, byModel, latency]
