UPDATE tenants
SET name = $2, email = $3, tier = $4, allowed_model_ids = $5::uuid[], rate_limit_per_minute = $6,
  tokens_per_minute = $7, max_concurrency = $8, max_monthly_spend_micros = $9, status = $10,
  version = version + 1, updated_at = now()
WHERE id = $1
RETURNING id, name, email, tier, status, rate_limit_per_minute, tokens_per_minute, max_concurrency,
  max_monthly_spend_micros, allowed_model_ids, names_of_models(allowed_model_ids) AS allowed_models, version,
  created_at, updated_at
