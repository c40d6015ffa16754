-- $1 tenant; $2 limit, $3 offset
WITH matching AS (SELECT * FROM environments WHERE tenant_id = $1 AND deleted_at IS NULL),
page AS (
  SELECT id, name, rate_limit_per_minute, tokens_per_minute, max_concurrency, version, created_at, updated_at
  FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $2::int OFFSET $3::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
