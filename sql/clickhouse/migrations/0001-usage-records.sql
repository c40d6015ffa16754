-- One row a request that was admitted. The sort key serves a tenant's reading by time; a request id is found
-- through the bloom filter. The deduplication window lets a batch be sent again after a crash: a block that is
-- among the last 100,000 is dropped, here and in the rollups.
CREATE TABLE IF NOT EXISTS usage_records
(
    request_id UUID,
    tenant_id UUID,
    environment_id UUID,
    api_key_id UUID,
    model_id UUID,
    model LowCardinality(String),
    node_id UUID,
    node LowCardinality(String),
    endpoint LowCardinality(String),
    stream Bool,
    status UInt16,
    error_code LowCardinality(String),
    client_abort Bool,
    attempts UInt16,
    prompt_tokens UInt64,
    cached_tokens UInt64,
    completion_tokens UInt64,
    counted LowCardinality(String) COMMENT 'reported or estimated',
    price_input_micros UInt64 COMMENT 'micro-dollars per million tokens at the start of the request',
    price_cached_input_micros Nullable(UInt64),
    price_output_micros UInt64,
    cost_nanos Int64 COMMENT 'nano-dollars',
    ttft_micros Nullable(UInt64),
    itl_micros Nullable(UInt64) COMMENT 'mean of the request',
    e2e_micros UInt64,
    overhead_micros UInt64,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    failed Bool MATERIALIZED NOT client_abort AND (status >= 500 OR (status < 400 AND error_code != ''))
        COMMENT 'a status of 500 and above, or an error frame in a reply that had begun',
    INDEX request_id_bloom request_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ended_at)
ORDER BY (tenant_id, ended_at, request_id)
SETTINGS non_replicated_deduplication_window = 100000
