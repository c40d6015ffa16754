-- $1 key, $2 seconds that it lives on, if it has not less.
WITH k AS (
  UPDATE api_keys
  SET expires_at = LEAST(expires_at, now() + make_interval(secs => $2::float8)), version = version + 1,
    updated_at = now()
  WHERE id = $1
  RETURNING *
)
SELECT k.id, k.tenant_id, k.name, k.prefix, k.environment_id, e.name AS environment, k.role,
  k.rate_limit_per_minute, k.tokens_per_minute, k.max_concurrency, k.allowed_model_ids,
  names_of_models(k.allowed_model_ids) AS allowed_models, k.expires_at, k.revoked_at, k.last_used_at,
  k.version, k.created_at, k.updated_at
FROM k JOIN environments e ON e.id = k.environment_id
