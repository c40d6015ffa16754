-- $1 tenant; $2 id or name of an environment, $3 role, $4 status, $5 text to search (each null: any); $6 limit, $7 offset
WITH matching AS (
  SELECT k.*, e.name AS environment FROM api_keys k JOIN environments e ON e.id = k.environment_id
  WHERE k.tenant_id = $1
    AND ($2::text IS NULL OR e.name = $2 OR e.id::text = lower($2))
    AND ($3::text IS NULL OR k.role = $3)
    AND (
      $4::text IS NULL
      OR $4 = CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END
    )
    AND ($5::text IS NULL OR position(lower($5) IN lower(k.name)) > 0 OR position($5 IN k.prefix) > 0)
), page AS (
  SELECT k.id, k.tenant_id, k.name, k.prefix, k.environment_id, k.environment, k.role,
  k.rate_limit_per_minute, k.tokens_per_minute, k.max_concurrency, k.allowed_model_ids,
  names_of_models(k.allowed_model_ids) AS allowed_models, k.expires_at, k.revoked_at, k.last_used_at,
  k.version, k.created_at, k.updated_at
  FROM matching k
  ORDER BY /* sort */ k.created_at DESC, k.id DESC LIMIT $6::int OFFSET $7::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
