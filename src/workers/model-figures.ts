import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { LATENCY_BUCKET_GROWTH } from '../core/latency-buckets.js'
import type { ModelFigures } from '../core/model-figures.js'
import { PLATFORM_TENANT_ID } from '../core/usage-record.js'
import { loadClickHouseQuery } from '../io/clickhouse.js'

const QUERY = loadClickHouseQuery('models-now')

/** Whoever asks has long gone on without an answer, and the thread has other work. */
const TIMEOUT_MS = 2_000

const FiguresRow = z.object({
  model_id: z.string(),
  avg_latency: z.number().nullable(),
  p95_ttft: z.number().nullable(),
})

/** How all models that had a request in the last minutes did. Rejects when ClickHouse does not answer within 2 s. */
export async function readModelFigures(clickhouse: ClickHouseClient): Promise<ModelFigures[]> {
  const result = await clickhouse.query({
    query: QUERY,
    format: 'JSONEachRow',
    query_params: { growth: LATENCY_BUCKET_GROWTH, platform_id: PLATFORM_TENANT_ID },
    abort_signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  return z
    .array(FiguresRow)
    .parse(await result.json())
    .map((row) => ({
      modelId: row.model_id,
      avgLatencyMs: inMs(row.avg_latency),
      p95TtftMs: inMs(row.p95_ttft),
    }))
}

function inMs(micros: number | null): number | null {
  return micros === null ? null : Math.round(micros) / 1000
}
