-- $1 node, $2 kind (null: any), $3 limit, $4 offset; newest first
WITH matching AS (
  SELECT sequence AS id, at, event, status, actor, message FROM node_events
  WHERE node_id = $1 AND ($2::text IS NULL OR event = $2)
), page AS (
  SELECT * FROM matching ORDER BY id DESC LIMIT $3::int OFFSET $4::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY page.id DESC
