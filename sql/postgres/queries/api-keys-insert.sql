WITH k AS (
  INSERT INTO api_keys (
    id, tenant_id, environment_id, name, digest, prefix, role, allowed_model_ids, expires_at, rate_limit_per_minute,
    tokens_per_minute, max_concurrency
  )
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9::timestamptz, $10, $11, $12)
  RETURNING *
)
SELECT k.id, k.tenant_id, k.name, k.prefix, k.environment_id, e.name AS environment, k.role,
  k.rate_limit_per_minute, k.tokens_per_minute, k.max_concurrency, k.allowed_model_ids,
  names_of_models(k.allowed_model_ids) AS allowed_models, k.expires_at, k.revoked_at, k.last_used_at,
  k.version, k.created_at, k.updated_at
FROM k JOIN environments e ON e.id = k.environment_id
