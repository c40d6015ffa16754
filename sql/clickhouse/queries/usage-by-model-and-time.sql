-- A tenant's use in [start, end), once by model and once by time: of each row one of `model` and `at` is null. Whole
-- hours come out of the rollup. What lies before and after them, and the hours that a bucket of the caller's calendar
-- ends within (`cut_hours`), come out of the records, by the quarter of an hour, at which clocks of all zones agree.
-- Times are Unix microseconds.
SELECT
    if(grouping(used_model) = 0, used_model, NULL) AS model,
    if(grouping(slot) = 0, slot, NULL) AS at,
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
        toString(model) AS used_model, api_key_id, toInt64(toUnixTimestamp(bucket)) * 1000000 AS slot, requests,
        failed_requests, prompt_tokens, cached_tokens, completion_tokens, cost_nanos, e2e_micros
    FROM usage_by_hour
    WHERE tenant_id = {tenant_id:UUID}
        AND bucket >= fromUnixTimestamp64Micro({hours_start:Int64}, 'UTC')
        AND bucket < fromUnixTimestamp64Micro({hours_end:Int64}, 'UTC')
        AND NOT has({cut_hours:Array(UInt32)}, toUnixTimestamp(bucket))
    UNION ALL
    SELECT
        toString(model), api_key_id,
        toInt64(toUnixTimestamp(toStartOfFifteenMinutes(toDateTime(ended_at, 'UTC')))) * 1000000, 1, failed,
        prompt_tokens, cached_tokens, completion_tokens, cost_nanos, e2e_micros
    FROM usage_records
    WHERE tenant_id = {tenant_id:UUID}
        AND ended_at >= fromUnixTimestamp64Micro({start:Int64}, 'UTC')
        AND ended_at < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
        AND (
            ended_at < fromUnixTimestamp64Micro({hours_start:Int64}, 'UTC')
            OR ended_at >= fromUnixTimestamp64Micro({hours_end:Int64}, 'UTC')
            OR toStartOfHour(toDateTime(ended_at, 'UTC')) IN (
                SELECT toDateTime(arrayJoin({cut_hours:Array(UInt32)}), 'UTC')
            )
        )
)
WHERE ({model:Nullable(String)} IS NULL OR used_model = {model:Nullable(String)})
    AND ({api_key_id:Nullable(UUID)} IS NULL OR api_key_id = {api_key_id:Nullable(UUID)})
GROUP BY GROUPING SETS ((used_model), (slot))
ORDER BY requests DESC, model
