import { z } from 'zod'
import { LATENCY_BUCKET_GROWTH } from '../../src/core/latency-buckets.js'
import type { Store } from './store.js'

const Latency = z.number().nullable()
const PERCENTILES = ['p50', 'p95', 'p99'] as const
const KINDS = ['latency', 'ttft', 'itl'] as const

const ModelLatency = z.object({
  model: z.string(),
  requests: z.number(),
  p50_latency_ms: Latency,
  p95_latency_ms: Latency,
  p99_latency_ms: Latency,
  p50_ttft_ms: Latency,
  p95_ttft_ms: Latency,
  p99_ttft_ms: Latency,
  p50_itl_ms: Latency,
  p95_itl_ms: Latency,
  p99_itl_ms: Latency,
})
/** The reply of `/v1/metrics/latency`. */
export const LatencyReply = z.object({ data: z.array(ModelLatency) })
export type LatencyReply = z.infer<typeof LatencyReply>

export interface PercentileCheck {
  readonly models: number
  readonly requests: number
  /** Relative deviation of a percentile from that of the records: the greatest, and the mean of all. */
  readonly greatest: number
  readonly mean: number
}

const HOUR_MS = 3_600_000
const PERIOD_MS = 30 * 24 * HOUR_MS
/** A bucket's width, and what rounding adds. */
const MOST_DEVIATION = LATENCY_BUCKET_GROWTH - 1 + 1e-6

/** The whole hour with which a period of 30 days begins. */
const periodStart = (): number => Math.floor((Date.now() - PERIOD_MS) / HOUR_MS) * HOUR_MS

/** By nearest rank, as a histogram is read. */
const EXACT = `
WITH (values, q) -> if(empty(values), NULL, values[toUInt32(ceil(q * length(values)))] / 1000) AS nearest
SELECT model, count() AS requests,
  arraySort(groupArray(e2e_micros)) AS e2e,
  arraySort(groupArrayIf(assumeNotNull(ttft_micros), ttft_micros IS NOT NULL)) AS ttft,
  arraySort(groupArrayIf(assumeNotNull(itl_micros), itl_micros IS NOT NULL)) AS itl,
  nearest(e2e, 0.5) AS p50_latency_ms, nearest(e2e, 0.95) AS p95_latency_ms, nearest(e2e, 0.99) AS p99_latency_ms,
  nearest(ttft, 0.5) AS p50_ttft_ms, nearest(ttft, 0.95) AS p95_ttft_ms, nearest(ttft, 0.99) AS p99_ttft_ms,
  nearest(itl, 0.5) AS p50_itl_ms, nearest(itl, 0.95) AS p95_itl_ms, nearest(itl, 0.99) AS p99_itl_ms
FROM usage_records
WHERE tenant_id = {tenant:UUID} AND ended_at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
GROUP BY model`

/** What the gateway's reply should say of a tenant, out of the records. @param start Unix milliseconds */
export function exactLatencies(
  store: Store,
  tenant: string,
  start: number,
): Promise<z.output<typeof ModelLatency>[]> {
  return store.rows(`SELECT * EXCEPT (e2e, ttft, itl) FROM (${EXACT})`, ModelLatency, { tenant, start })
}

/**
 * Holds a tenant's percentiles against those of the records themselves.
 * @param ask calls the gateway
 * @throws when a count differs or a percentile is further off than a bucket is wide
 */
export async function compareWithRecords(
  store: Store,
  tenant: string,
  ask: () => Promise<LatencyReply>,
): Promise<PercentileCheck> {
  let start: number
  let reply: LatencyReply
  // The hour may change while the gateway answers.
  do {
    start = periodStart()
    reply = await ask()
  } while (start !== periodStart())
  const exact = new Map((await exactLatencies(store, tenant, start)).map((one) => [one.model, one]))
  const deviations: number[] = []
  let requests = 0
  for (const shown of reply.data) {
    const held = exact.get(shown.model)
    if (held?.requests !== shown.requests) {
      throw new Error(`${shown.model}: ${shown.requests} requests are shown and ${held?.requests} recorded`)
    }
    requests += shown.requests
    for (const kind of KINDS) {
      for (const percentile of PERCENTILES) {
        deviations.push(
          deviation(
            `${shown.model} ${percentile} ${kind}`,
            shown[`${percentile}_${kind}_ms`],
            held[`${percentile}_${kind}_ms`],
          ),
        )
      }
    }
  }
  if (exact.size !== reply.data.length) {
    throw new Error(`${reply.data.length} models are shown and ${exact.size} recorded`)
  }
  return {
    models: exact.size,
    requests,
    greatest: Math.max(0, ...deviations),
    mean: deviations.reduce((sum, one) => sum + one, 0) / Math.max(1, deviations.length),
  }
}

function deviation(name: string, shown: number | null, held: number | null): number {
  if (shown === null && held === null) return 0
  if (shown === null || held === null) throw new Error(`${name}: shown is ${shown}, recorded ${held}`)
  const off = Math.abs(shown - held) / held
  if (off > MOST_DEVIATION) throw new Error(`${name}: shown is ${shown} ms, recorded ${held} ms`)
  return off
}
