-- What nodes did, by the minute, a little longer than the longest period of the platform's metrics. `busy` has a bit for
-- each second of the minute in which a request was under way at the node: what is merged is their union.
CREATE TABLE IF NOT EXISTS usage_by_node
(
    node_id UUID,
    bucket DateTime('UTC'),
    requests SimpleAggregateFunction(sum, UInt64),
    prompt_tokens SimpleAggregateFunction(sum, UInt64),
    completion_tokens SimpleAggregateFunction(sum, UInt64),
    busy SimpleAggregateFunction(groupBitOr, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(bucket)
ORDER BY (node_id, bucket)
TTL bucket + INTERVAL 33 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1
