-- $1 limit, $2 offset
WITH page AS (
  SELECT id, name, prefix, scope, expires_at, revoked_at, last_used_at, created_at
  FROM admin_tokens ORDER BY /* sort */ created_at DESC, id DESC LIMIT $1::int OFFSET $2::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM admin_tokens) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
