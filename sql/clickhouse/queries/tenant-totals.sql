-- What a tenant has used in all, spent in this calendar month (UTC), and when its last request ended (Unix microseconds; null: never). The rollup's last
-- hour says where in the records to look.
WITH (SELECT max(bucket) FROM usage_by_hour WHERE tenant_id = {tenant_id:UUID}) AS last_hour
SELECT
    sum(requests) AS requests,
    sum(prompt_tokens) + sum(completion_tokens) AS tokens,
    toString(sum(cost_nanos)) AS cost_nanos,
    toString(sumIf(u.cost_nanos, bucket >= toStartOfMonth(now('UTC')))) AS month_cost_nanos,
    (
        SELECT nullIf(toUnixTimestamp64Micro(max(ended_at)), 0) FROM usage_records
        WHERE tenant_id = {tenant_id:UUID} AND ended_at >= last_hour
    ) AS last_ended_micros
FROM usage_by_hour AS u
WHERE tenant_id = {tenant_id:UUID}
