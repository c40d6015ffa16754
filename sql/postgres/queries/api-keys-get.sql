-- $1 key, $2 tenant
SELECT k.id, k.tenant_id, k.name, k.prefix, k.environment_id, e.name AS environment, k.role,
  k.rate_limit_per_minute, k.tokens_per_minute, k.max_concurrency, k.allowed_model_ids,
  names_of_models(k.allowed_model_ids) AS allowed_models, k.expires_at, k.revoked_at, k.last_used_at,
  k.version, k.created_at, k.updated_at
FROM api_keys k JOIN environments e ON e.id = k.environment_id
WHERE k.id = $1 AND k.tenant_id = $2
