-- A tenant's use in [start, end) by a column, `model` or `api_key_id`: the whole hours out of the rollup, what is left
-- before and after them (less than two hours) out of the records. Times are Unix microseconds.
SELECT
    toString({by:Identifier}) AS name,
    sum(requests) AS requests,
    sum(failed_requests) AS failed_requests,
    sum(prompt_tokens) AS prompt_tokens,
    sum(cached_tokens) AS cached_tokens,
    sum(completion_tokens) AS completion_tokens,
    toString(sum(cost_nanos)) AS cost_nanos,
    sum(e2e_micros) / requests AS avg_e2e_micros
FROM
(
    SELECT
        model, api_key_id, requests, failed_requests,
        prompt_tokens, cached_tokens, completion_tokens, cost_nanos, e2e_micros
    FROM usage_by_hour
    WHERE tenant_id = {tenant_id:UUID}
        AND bucket >= fromUnixTimestamp64Micro({hours_start:Int64}, 'UTC')
        AND bucket < fromUnixTimestamp64Micro({hours_end:Int64}, 'UTC')
    UNION ALL
    SELECT
        model, api_key_id, 1, failed,
        prompt_tokens, cached_tokens, completion_tokens, cost_nanos, e2e_micros
    FROM usage_records
    WHERE tenant_id = {tenant_id:UUID}
        AND ended_at >= fromUnixTimestamp64Micro({start:Int64}, 'UTC')
        AND ended_at < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
        AND (
            ended_at < fromUnixTimestamp64Micro({hours_start:Int64}, 'UTC')
            OR ended_at >= fromUnixTimestamp64Micro({hours_end:Int64}, 'UTC')
        )
)
WHERE ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
    AND ({api_key_id:Nullable(UUID)} IS NULL OR api_key_id = {api_key_id:Nullable(UUID)})
GROUP BY name
ORDER BY requests DESC, name
