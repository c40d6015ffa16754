-- How each model did for all tenants together over the last five whole minutes and the one that runs, in microseconds. The
-- percentile is read from the merged histogram as in latency-by-model. Null where no request has that latency. What the
-- platform asks for itself is left out.
WITH
    toStartOfMinute(now('UTC')) - INTERVAL 5 MINUTE AS start,
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
    model_id,
    sum(e2e_micros) / nullIf(sum(requests), 0) AS avg_latency,
    percentile(sumMap(ttft_histogram), 0.95) AS p95_ttft
FROM usage_by_minute
WHERE bucket >= start AND tenant_id != {platform_id:UUID}
GROUP BY model_id
