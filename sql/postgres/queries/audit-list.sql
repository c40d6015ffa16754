-- $1 actor, $2 action, $3 target_type, $4 target_id, $5 tenant, $6 from, $7 to (exclusive), $8 text to search (each
-- null: any); $9 limit, $10 offset
WITH matching AS (
  SELECT * FROM audit_log
  WHERE ($1::text IS NULL OR actor = $1)
    AND ($2::text IS NULL OR action = $2)
    AND ($3::text IS NULL OR target_type = $3)
    AND ($4::text IS NULL OR target_id = $4)
    AND ($5::uuid IS NULL OR tenant_id = $5)
    AND ($6::timestamptz IS NULL OR at >= $6)
    AND ($7::timestamptz IS NULL OR at < $7)
    AND ($8::text IS NULL OR position(
      lower($8) IN lower(concat_ws(' ', actor, action, target_type, target_id, request_id, address, before, after))
    ) > 0)
), page AS (
  SELECT id, at, actor, action, target_type, target_id, tenant_id, before, after, request_id, address
  FROM matching ORDER BY at DESC, id DESC LIMIT $9::int OFFSET $10::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY page.at DESC, page.id DESC
