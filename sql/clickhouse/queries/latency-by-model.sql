-- Averages and percentiles of a tenant's latencies by model, in microseconds, out of a rollup table. A percentile
-- is read from the merged histogram: the first bucket at which the running count reaches its share, geometrically
-- within that bucket. Null where no request has that latency.
WITH
    (histogram, quantile) -> quantile * arraySum(mapValues(histogram)) AS share,
    (histogram, quantile) -> arrayFirstIndex(
        running -> running >= share(histogram, quantile),
        arrayCumSum(mapValues(histogram))
    ) AS place,
    (histogram, quantile) -> if(
        empty(histogram),
        NULL,
        pow(
            {growth:Float64},
            mapKeys(histogram)[place(histogram, quantile)] + 1
                - (arrayCumSum(mapValues(histogram))[place(histogram, quantile)] - share(histogram, quantile))
                    / mapValues(histogram)[place(histogram, quantile)]
        )
    ) AS percentile
SELECT
    model,
    sum(u.requests) AS requests,
    sum(u.e2e_micros) / requests AS avg_latency,
    percentile(sumMap(u.e2e_histogram) AS e2e, 0.5) AS p50_latency,
    percentile(e2e, 0.95) AS p95_latency,
    percentile(e2e, 0.99) AS p99_latency,
    sum(u.ttft_micros) / nullIf(sum(u.ttft_requests), 0) AS avg_ttft,
    percentile(sumMap(u.ttft_histogram) AS ttft, 0.5) AS p50_ttft,
    percentile(ttft, 0.95) AS p95_ttft,
    percentile(ttft, 0.99) AS p99_ttft,
    sum(u.itl_micros) / nullIf(sum(u.itl_requests), 0) AS avg_itl,
    percentile(sumMap(u.itl_histogram) AS itl, 0.5) AS p50_itl,
    percentile(itl, 0.95) AS p95_itl,
    percentile(itl, 0.99) AS p99_itl
FROM {rollup:Identifier} AS u
WHERE tenant_id = {tenant_id:UUID}
    AND bucket >= toDateTime({start:Int64}, 'UTC')
    AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
GROUP BY model
ORDER BY requests DESC, model
