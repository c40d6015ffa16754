-- $1 tenant, $2 tier, $3 requests and $4 tokens per minute, $5 requests at once, $6 micro-dollars a month, $7 whether
-- $8, the models that it may use, is to be set
UPDATE tenants
SET tier = $2, rate_limit_per_minute = $3, tokens_per_minute = $4, max_concurrency = $5, max_monthly_spend_micros = $6,
  allowed_model_ids = CASE WHEN $7::boolean THEN $8::uuid[] ELSE allowed_model_ids END,
  version = version + 1, updated_at = now()
WHERE id = $1
