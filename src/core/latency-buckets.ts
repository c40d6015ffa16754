/**
 * Latencies are kept as counts in log-spaced buckets: bucket b holds the microseconds in [1.02^b, 1.02^(b+1)), so
 * that a percentile read from them is at most 2% off. The views in sql/clickhouse/migrations say the same; a
 * bucket's meaning cannot change while there are stored histograms.
 */
export const LATENCY_BUCKET_GROWTH = 1.02
