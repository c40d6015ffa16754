import { z } from 'zod'
import { getLatency, getPerformance, getThroughput, getTokenMetrics } from '../../core/contract/metrics.js'
import { LATENCY_BUCKET_GROWTH } from '../../core/latency-buckets.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, type Handler, type HandlerContext, tenantOf } from './handler.js'
import { AllLatencyColumns, allLatenciesShown } from './latency-columns.js'
import { ownName } from './model-name.js'
import { throughputOf, ThroughputRow } from './throughput-series.js'
import { Count } from './usage-rows.js'

/** A tenant's figures of a period up to now, out of the rollups alone. */

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * How far back each period goes, and the rollup that it is read from: whole minutes or whole hours. `pointMs`: the
 * stretches of its series, which are whole ones as well.
 */
const PERIODS = {
  '1h': { lengthMs: HOUR_MS, rollup: 'usage_by_minute', stepMs: MINUTE_MS, pointMs: MINUTE_MS },
  '24h': { lengthMs: DAY_MS, rollup: 'usage_by_minute', stepMs: MINUTE_MS, pointMs: 15 * MINUTE_MS },
  '7d': { lengthMs: 7 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS, pointMs: HOUR_MS },
  '30d': { lengthMs: 30 * DAY_MS, rollup: 'usage_by_hour', stepMs: HOUR_MS, pointMs: 6 * HOUR_MS },
} as const

interface PeriodQuery {
  readonly period: keyof typeof PERIODS
  readonly model?: string | undefined
}

/** The begin of the step in which a period begins, in Unix milliseconds. */
function startOf(context: HandlerContext, period: PeriodQuery['period'], stepMs: number): number {
  return Math.floor((context.now.getTime() - PERIODS[period].lengthMs) / stepMs) * stepMs
}

/** What the queries of a period take. */
async function windowOf(context: HandlerContext, { period, model }: PeriodQuery, stepMs: number) {
  return {
    tenant_id: tenantOf(context.actor),
    rollup: PERIODS[period].rollup,
    start: startOf(context, period, stepMs) / 1000,
    model: await ownName(context, model),
  }
}

const LatencyRow = AllLatencyColumns.extend({ model: z.string(), requests: Count })

const TokensRow = z.object({
  model: z.string(),
  requests: Count,
  prompt_tokens: Count,
  cached_tokens: Count,
  completion_tokens: Count,
  e2e_micros: Count,
})

/** A share of the requests; null: there are none that it was counted of. */
const Share = z.number().nullable()

const OutcomesRow = z.object({
  model: z.string(),
  requests: Count,
  failures: z.number(),
  aborts: z.number(),
  successes: Share,
  timeouts: Share,
  retried: Share,
  resumed: Share,
})

const latency = handle(getLatency, async ({ query }, context) => {
  const rows = await clickHouseRows(context, 'latency-by-model', LatencyRow, {
    ...(await windowOf(context, query, PERIODS[query.period].stepMs)),
    growth: LATENCY_BUCKET_GROWTH,
  })
  return {
    data: rows.map((row) => ({ model: row.model, requests: row.requests, ...allLatenciesShown(row) })),
  }
})

const tokens = handle(getTokenMetrics, async ({ query }, context) => {
  const window = await windowOf(context, query, PERIODS[query.period].stepMs)
  const rows = await clickHouseRows(context, 'tokens-by-model', TokensRow, window)
  return {
    data: rows.map((row) => {
      const total_tokens = row.prompt_tokens + row.completion_tokens
      return {
        model: row.model,
        requests: row.requests,
        total_tokens,
        input_tokens: row.prompt_tokens,
        output_tokens: row.completion_tokens,
        cached_tokens: row.cached_tokens,
        avg_tokens_per_request: total_tokens / row.requests,
        output_tokens_per_second:
          row.e2e_micros === 0 ? null : (row.completion_tokens / row.e2e_micros) * 1_000_000,
      }
    }),
  }
})

const throughput = handle(getThroughput, async ({ query }, context) => {
  const { pointMs } = PERIODS[query.period]
  const rows = await clickHouseRows(context, 'throughput', ThroughputRow, {
    ...(await windowOf(context, query, pointMs)),
    step: pointMs / 1000,
  })
  const startMs = startOf(context, query.period, pointMs)
  return throughputOf(rows, { startMs, endMs: context.now.getTime(), stepMs: pointMs })
})

const performance = handle(getPerformance, async ({ query }, context) => {
  const window = await windowOf(context, query, PERIODS[query.period].stepMs)
  const rows = await clickHouseRows(context, 'outcomes-by-model', OutcomesRow, window)
  return {
    data: rows.map((row) => ({
      model: row.model,
      requests: row.requests,
      success_rate: row.successes,
      failure_rate: row.failures,
      timeout_rate: row.timeouts,
      abort_rate: row.aborts,
      retry_rate: row.retried,
      resume_rate: row.resumed,
    })),
  }
})

export const metricsHandlers: readonly Handler[] = [latency, tokens, throughput, performance]
