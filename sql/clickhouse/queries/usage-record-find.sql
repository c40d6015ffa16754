-- The usage record of a request. `tenant_id` null: any tenant's. Between the two times (Unix milliseconds) it must have
-- ended: they leave the parts of other months, and most granules of a tenant, unread; in the rest the bloom filter looks.
SELECT
    tenant_id,
    request_id,
    environment_id,
    api_key_id,
    model_id,
    model,
    node_id,
    node,
    endpoint,
    stream,
    status,
    error_code,
    client_abort,
    failed,
    attempts,
    resumed,
    prompt_tokens,
    cached_tokens,
    completion_tokens,
    counted,
    toString(cost_nanos) AS cost_nanos,
    ttft_micros,
    itl_micros,
    e2e_micros,
    overhead_micros,
    toUnixTimestamp64Micro(started_at) AS started_at_micros,
    toUnixTimestamp64Micro(ended_at) AS ended_at_micros
FROM usage_records
WHERE request_id = {request_id:UUID}
    AND ended_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND ended_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({tenant_id:Nullable(UUID)} IS NULL OR tenant_id = {tenant_id:Nullable(UUID)})
LIMIT 1
