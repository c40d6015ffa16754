-- A tenant's environment by its id or its name.
SELECT id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency, version, created_at, updated_at FROM environments
WHERE tenant_id = $1 AND deleted_at IS NULL AND (name = $2::text OR id::text = lower($2::text))
