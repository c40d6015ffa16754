-- How a tenant's requests ended, by model, since `start` (Unix seconds), out of a rollup table. What is counted since
-- migration 0008 alone is a share of the requests since then; null where there are none.
SELECT
    model,
    sum(u.requests) AS requests,
    sum(u.failed_requests) / requests AS failures,
    sum(u.client_aborts) / requests AS aborts,
    nullIf(sum(u.classified_requests), 0) AS classified,
    sum(u.successes) / classified AS successes,
    sum(u.timeouts) / classified AS timeouts,
    sum(u.retried_requests) / classified AS retried,
    sum(u.resumed_requests) / classified AS resumed
FROM {rollup:Identifier} AS u
WHERE tenant_id = {tenant_id:UUID}
    AND bucket >= toDateTime({start:Int64}, 'UTC')
    AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
GROUP BY model
ORDER BY requests DESC, model
