-- A tenant's tokens by model since `start` (Unix seconds), out of a rollup table.
SELECT
    model,
    sum(u.requests) AS requests,
    sum(u.prompt_tokens) AS prompt_tokens,
    sum(u.cached_tokens) AS cached_tokens,
    sum(u.completion_tokens) AS completion_tokens,
    sum(u.e2e_micros) AS e2e_micros
FROM {rollup:Identifier} AS u
WHERE tenant_id = {tenant_id:UUID}
    AND bucket >= toDateTime({start:Int64}, 'UTC')
    AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
GROUP BY model
ORDER BY requests DESC, model
