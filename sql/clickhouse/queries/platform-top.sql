-- Who or what brought in the most from `start` to `end` (Unix seconds) by a column of the rollup, and how many of them
-- there are in all; the platform's own requests are left out.
SELECT
    toString({by:Identifier}) AS name,
    count() OVER () AS total,
    sum(u.requests) AS requests,
    sum(u.failed_requests) AS failed_requests,
    sum(u.prompt_tokens) AS prompt_tokens,
    sum(u.cached_tokens) AS cached_tokens,
    sum(u.completion_tokens) AS completion_tokens,
    sum(u.cost_nanos) AS nanos,
    toString(nanos) AS cost_nanos,
    sum(u.e2e_micros) / requests AS avg_e2e_micros
FROM {rollup:Identifier} AS u
WHERE u.bucket >= toDateTime({start:Int64}, 'UTC') AND u.bucket < toDateTime({end:Int64}, 'UTC')
    AND u.tenant_id != {platform_id:UUID}
GROUP BY name
ORDER BY nanos DESC, requests DESC, name
LIMIT {limit:UInt32}
