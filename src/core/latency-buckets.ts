/**
 * Latencies are kept as counts in log-spaced buckets: bucket b holds the microseconds in [1.02^b, 1.02^(b+1)),
 * so a quantile read from them is at most 2% off. The same growth stands in the views of sql/clickhouse;
 * a bucket's meaning cannot change while there are stored histograms.
 */
export const LATENCY_BUCKET_GROWTH = 1.02

const LOG_GROWTH = Math.log(LATENCY_BUCKET_GROWTH)

/** Bucket of a duration in microseconds; all below 1 µs share bucket 0. */
export function latencyBucket(micros: number): number {
  return micros <= 1 ? 0 : Math.floor(Math.log(micros) / LOG_GROWTH)
}

/** The quantile (0..1) of a histogram in microseconds, geometrically within its bucket; null when it is empty. */
export function histogramQuantile(histogram: ReadonlyMap<number, number>, quantile: number): number | null {
  const buckets = [...histogram].filter(([, count]) => count > 0).sort(([a], [b]) => a - b)
  let missing = quantile * buckets.reduce((total, [, count]) => total + count, 0)
  for (const [bucket, count] of buckets) {
    if (missing <= count) return LATENCY_BUCKET_GROWTH ** (bucket + missing / count)
    missing -= count
  }
  const last = buckets.at(-1)
  return last === undefined ? null : LATENCY_BUCKET_GROWTH ** (last[0] + 1)
}
