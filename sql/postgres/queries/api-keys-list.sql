-- $1 tenant; $2 limit, $3 offset
WITH matching AS (SELECT * FROM api_keys WHERE tenant_id = $1),
page AS (
  SELECT k.id, k.tenant_id, k.name, k.prefix, k.environment_id, e.name AS environment, k.role,
  k.rate_limit_per_minute, k.tokens_per_minute, k.max_concurrency,
  names_of_models(k.allowed_model_ids) AS allowed_models, k.expires_at, k.revoked_at, k.last_used_at,
  k.created_at, k.updated_at
  FROM matching k JOIN environments e ON e.id = k.environment_id
  ORDER BY /* sort */ k.created_at DESC, k.id DESC LIMIT $2::int OFFSET $3::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
