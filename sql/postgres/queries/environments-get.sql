-- $1 tenant, $2 environment
SELECT id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency, version, created_at, updated_at
FROM environments WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
