-- A tenant's usage records in [start, end), the latest first, those after a place in that order (`before` and
-- `before_id`; null: from the first). Times are Unix microseconds. The table's order, read backwards.
SELECT
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
WHERE tenant_id = {tenant_id:UUID}
    AND ended_at >= fromUnixTimestamp64Micro({start:Int64}, 'UTC')
    AND ended_at < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
    AND (
        {before:Nullable(Int64)} IS NULL
        OR ended_at < fromUnixTimestamp64Micro(assumeNotNull({before:Nullable(Int64)}), 'UTC')
        OR (
            ended_at = fromUnixTimestamp64Micro(assumeNotNull({before:Nullable(Int64)}), 'UTC')
            AND request_id < {before_id:Nullable(UUID)}
        )
    )
    AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
    AND ({api_key_id:Nullable(UUID)} IS NULL OR api_key_id = {api_key_id:Nullable(UUID)})
    AND ({status:Nullable(UInt16)} IS NULL OR status = {status:Nullable(UInt16)})
ORDER BY ended_at DESC, request_id DESC
LIMIT {limit:UInt32}
