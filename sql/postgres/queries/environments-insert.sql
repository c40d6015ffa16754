INSERT INTO environments (id, tenant_id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency, version, created_at, updated_at
