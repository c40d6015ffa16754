SELECT encode(k.digest, 'hex') AS digest, k.id, k.name, k.environment_id, k.tenant_id, t.status AS tenant_status, t.tier, k.role,
  names_of_models(k.allowed_model_ids) AS allowed_models,
  names_of_models(t.allowed_model_ids) AS tenant_allowed_models,
  json_build_object('rate_limit_per_minute', k.rate_limit_per_minute, 'tokens_per_minute', k.tokens_per_minute,
    'max_concurrency', k.max_concurrency) AS key_limits,
  json_build_object('rate_limit_per_minute', e.rate_limit_per_minute, 'tokens_per_minute', e.tokens_per_minute,
    'max_concurrency', e.max_concurrency) AS environment_limits,
  json_build_object('rate_limit_per_minute', t.rate_limit_per_minute, 'tokens_per_minute', t.tokens_per_minute,
    'max_concurrency', t.max_concurrency) AS tenant_limits,
  t.max_monthly_spend_micros, k.expires_at, c.version
FROM api_keys k
JOIN environments e ON e.id = k.environment_id
JOIN tenants t ON t.id = k.tenant_id
CROSS JOIN change_counter c
WHERE k.digest = ANY ($1::bytea[]) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND e.deleted_at IS NULL AND t.deleted_at IS NULL
