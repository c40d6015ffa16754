-- How requests were served, for those who ask about one: best effort, nothing is billed from it. One row a request; one
-- that was sent twice is merged away, and readers take any. Asked for by id alone, so the granules are small: a row
-- comes to some kilobytes. Days are dropped whole; how many are kept is EXPLAIN_DAYS' to say (src/io/explanation-ttl.ts).
CREATE TABLE IF NOT EXISTS request_explanations
(
    request_id UUID,
    tenant_id UUID,
    api_key_id UUID,
    model LowCardinality(String),
    served_model LowCardinality(String),
    status UInt16,
    error_code LowCardinality(String),
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    e2e_micros UInt64,
    explanation String COMMENT 'JSON, see src/core/explanation-line.ts' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY request_id
TTL toDateTime(started_at) + INTERVAL 7 DAY
SETTINGS index_granularity = 256, ttl_only_drop_parts = 1
