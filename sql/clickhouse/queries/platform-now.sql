-- The load of all tenants over the last five whole minutes and the one that runs: the rollup has no finer time.
WITH toStartOfMinute(now('UTC')) - INTERVAL 5 MINUTE AS start
SELECT
    sum(requests) / dateDiff('second', start, now('UTC')) AS rps,
    sum(e2e_micros) / nullIf(sum(requests), 0) / 1000 AS avg_latency_ms
FROM usage_by_minute
WHERE bucket >= start AND tenant_id != {platform_id:UUID}
