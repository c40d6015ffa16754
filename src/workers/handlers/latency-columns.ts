import { z } from 'zod'

/** Microseconds; null where there was nothing to time. */
const Micros = z.number().nullable()

/** E2E latency and TTFT, as the queries that read the rollups' histograms give them. */
export const LatencyColumns = z.object({
  avg_latency: Micros,
  p50_latency: Micros,
  p95_latency: Micros,
  p99_latency: Micros,
  avg_ttft: Micros,
  p50_ttft: Micros,
  p95_ttft: Micros,
  p99_ttft: Micros,
})

/** The same and ITL. */
export const AllLatencyColumns = LatencyColumns.extend({
  avg_itl: Micros,
  p50_itl: Micros,
  p95_itl: Micros,
  p99_itl: Micros,
})

/** As the API shows them, in milliseconds. */
export function latenciesShown(row: z.infer<typeof LatencyColumns>) {
  return {
    avg_latency_ms: ms(row.avg_latency),
    p50_latency_ms: ms(row.p50_latency),
    p95_latency_ms: ms(row.p95_latency),
    p99_latency_ms: ms(row.p99_latency),
    avg_ttft_ms: ms(row.avg_ttft),
    p50_ttft_ms: ms(row.p50_ttft),
    p95_ttft_ms: ms(row.p95_ttft),
    p99_ttft_ms: ms(row.p99_ttft),
  }
}

/** The same and ITL. */
export function allLatenciesShown(row: z.infer<typeof AllLatencyColumns>) {
  return {
    ...latenciesShown(row),
    avg_itl_ms: ms(row.avg_itl),
    p50_itl_ms: ms(row.p50_itl),
    p95_itl_ms: ms(row.p95_itl),
    p99_itl_ms: ms(row.p99_itl),
  }
}

function ms(micros: number | null): number | null {
  return micros === null ? null : micros / 1000
}
