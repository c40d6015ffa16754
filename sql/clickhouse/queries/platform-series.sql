-- All tenants' use from `start` to `end` (Unix seconds, whole steps of the rollup), in stretches of `step` seconds and, in the
-- row whose `at` is null, in all: sums, averages and percentiles of latencies in microseconds. Histograms are merged
-- before the percentiles are read from them, as in latency-by-model.sql.
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
    if(grouping(slot) = 0, slot, NULL) AS at,
    sum(s.requests) AS requests,
    sum(s.failed_requests) AS failed_requests,
    sum(s.prompt_tokens) AS prompt_tokens,
    sum(s.cached_tokens) AS cached_tokens,
    sum(s.completion_tokens) AS completion_tokens,
    toString(sum(s.cost_nanos)) AS cost_nanos,
    sum(s.e2e_micros) / nullIf(requests, 0) AS avg_latency,
    percentile(sumMap(s.e2e_histogram) AS e2e, 0.5) AS p50_latency,
    percentile(e2e, 0.95) AS p95_latency,
    percentile(e2e, 0.99) AS p99_latency,
    sum(s.ttft_micros) / nullIf(sum(s.ttft_requests), 0) AS avg_ttft,
    percentile(sumMap(s.ttft_histogram) AS ttft, 0.5) AS p50_ttft,
    percentile(ttft, 0.95) AS p95_ttft,
    percentile(ttft, 0.99) AS p99_ttft
FROM
(
    SELECT
        intDiv(toUnixTimestamp(u.bucket), {step:UInt32}) * {step:UInt32} AS slot,
        sum(u.requests) AS requests,
        sum(u.failed_requests) AS failed_requests,
        sum(u.prompt_tokens) AS prompt_tokens,
        sum(u.cached_tokens) AS cached_tokens,
        sum(u.completion_tokens) AS completion_tokens,
        sum(u.cost_nanos) AS cost_nanos,
        sum(u.e2e_micros) AS e2e_micros,
        sum(u.ttft_micros) AS ttft_micros,
        sum(u.ttft_requests) AS ttft_requests,
        sumMap(u.e2e_histogram) AS e2e_histogram,
        sumMap(u.ttft_histogram) AS ttft_histogram
    FROM {rollup:Identifier} AS u
    WHERE u.bucket >= toDateTime({start:Int64}, 'UTC') AND u.bucket < toDateTime({end:Int64}, 'UTC')
        AND u.tenant_id != {platform_id:UUID}
    GROUP BY slot
) AS s
GROUP BY GROUPING SETS ((slot), ())
ORDER BY at
