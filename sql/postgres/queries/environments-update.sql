UPDATE environments
SET name = $2, rate_limit_per_minute = $3, tokens_per_minute = $4, max_concurrency = $5,
  version = version + 1, updated_at = now()
WHERE id = $1
RETURNING id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency, version, created_at, updated_at
