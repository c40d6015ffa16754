INSERT INTO tenants (id, name, email, tier, allowed_model_ids)
VALUES ($1, $2, $3, $4, $5::uuid[])
RETURNING id, name, email, tier, status, rate_limit_per_minute, tokens_per_minute, max_concurrency,
  max_monthly_spend_micros, allowed_model_ids, names_of_models(allowed_model_ids) AS allowed_models, version,
  created_at, updated_at
