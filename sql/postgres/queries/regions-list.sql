-- $1 provider, $2 text to search (each null: any); $3 limit, $4 offset
WITH matching AS (
  SELECT id, provider, code, name, price_multiplier, version, created_at, updated_at FROM regions
  WHERE ($1::text IS NULL OR provider = $1)
    AND ($2::text IS NULL OR position(lower($2) IN lower(code)) > 0 OR position(lower($2) IN lower(name)) > 0)
), page AS (
  SELECT * FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $3::int OFFSET $4::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
