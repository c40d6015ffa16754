-- What the platform used itself, for the copies of mirrored requests, from `start` to `end` (Unix seconds).
SELECT
    sum(u.requests) AS requests,
    sum(u.failed_requests) AS failed_requests,
    sum(u.prompt_tokens) AS prompt_tokens,
    sum(u.cached_tokens) AS cached_tokens,
    sum(u.completion_tokens) AS completion_tokens,
    toString(sum(u.cost_nanos)) AS cost_nanos
FROM {rollup:Identifier} AS u
WHERE u.tenant_id = {platform_id:UUID}
    AND u.bucket >= toDateTime({start:Int64}, 'UTC')
    AND u.bucket < toDateTime({end:Int64}, 'UTC')
