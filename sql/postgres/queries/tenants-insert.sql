INSERT INTO tenants (
  id, name, email, tier, allowed_model_ids, rate_limit_per_minute, tokens_per_minute, max_concurrency,
  max_monthly_spend_micros
)
VALUES ($1, $2, $3, $4, $5::uuid[], $6, $7, $8, $9)
RETURNING id, name, email, tier, status, rate_limit_per_minute, tokens_per_minute, max_concurrency,
  max_monthly_spend_micros, allowed_model_ids, names_of_models(allowed_model_ids) AS allowed_models, version,
  created_at, updated_at
