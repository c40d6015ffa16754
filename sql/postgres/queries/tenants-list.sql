-- $1 tier, $2 status, $3 text to search (each null: any); $4 limit, $5 offset
WITH matching AS (
  SELECT * FROM tenants
  WHERE deleted_at IS NULL
    AND ($1::text IS NULL OR tier = $1)
    AND ($2::text IS NULL OR status = $2)
    AND ($3::text IS NULL OR position(lower($3) IN lower(name)) > 0 OR position(lower($3) IN lower(email)) > 0)
), page AS (
  SELECT id, name, email, tier, status, rate_limit_per_minute, tokens_per_minute, max_concurrency,
  max_monthly_spend_micros, allowed_model_ids, names_of_models(allowed_model_ids) AS allowed_models, version,
  created_at, updated_at
  FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $4::int OFFSET $5::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
