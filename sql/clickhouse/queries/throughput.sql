-- A tenant's requests and tokens by model and stretch of `step` seconds since `start` (Unix seconds, a whole step), out
-- of a rollup table. `at` is Unix seconds.
SELECT
    model,
    intDiv(toUnixTimestamp(u.bucket), {step:UInt32}) * {step:UInt32} AS at,
    sum(u.requests) AS requests,
    sum(u.prompt_tokens) AS prompt_tokens,
    sum(u.completion_tokens) AS completion_tokens
FROM {rollup:Identifier} AS u
WHERE tenant_id = {tenant_id:UUID}
    AND bucket >= toDateTime({start:Int64}, 'UTC')
    AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
GROUP BY model, at
