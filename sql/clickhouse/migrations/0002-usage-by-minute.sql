-- Two weeks by the minute, for short periods. Times are microseconds; a latency's histogram counts
-- log-spaced buckets: b holds [1.02^b, 1.02^(b+1)), see src/core/latency-buckets.ts.
CREATE TABLE IF NOT EXISTS usage_by_minute
(
    tenant_id UUID,
    bucket DateTime('UTC'),
    model LowCardinality(String),
    model_id UUID,
    api_key_id UUID,
    environment_id UUID,
    requests SimpleAggregateFunction(sum, UInt64),
    failed_requests SimpleAggregateFunction(sum, UInt64),
    client_aborts SimpleAggregateFunction(sum, UInt64),
    prompt_tokens SimpleAggregateFunction(sum, UInt64),
    cached_tokens SimpleAggregateFunction(sum, UInt64),
    completion_tokens SimpleAggregateFunction(sum, UInt64),
    cost_nanos SimpleAggregateFunction(sum, Int64),
    e2e_micros SimpleAggregateFunction(sum, UInt64),
    ttft_micros SimpleAggregateFunction(sum, UInt64),
    ttft_requests SimpleAggregateFunction(sum, UInt64),
    itl_micros SimpleAggregateFunction(sum, UInt64),
    itl_requests SimpleAggregateFunction(sum, UInt64),
    e2e_histogram SimpleAggregateFunction(sumMap, Map(UInt16, UInt64)),
    ttft_histogram SimpleAggregateFunction(sumMap, Map(UInt16, UInt64)),
    itl_histogram SimpleAggregateFunction(sumMap, Map(UInt16, UInt64))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(bucket)
ORDER BY (tenant_id, bucket, model, model_id, api_key_id, environment_id)
TTL bucket + INTERVAL 14 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1
