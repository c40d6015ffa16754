-- $1 family, $2 type, $3 status, $4 least and $5 most GB of VRAM, $6 text to search (each null: any);
-- $7 limit, $8 offset
WITH matching AS (
  SELECT * FROM models
  WHERE deleted_at IS NULL
    AND ($1::text IS NULL OR family = $1)
    AND ($2::text IS NULL OR type = $2)
    AND ($3::text IS NULL OR status = $3)
    AND ($4::float8 IS NULL OR vram_required_gb >= $4)
    AND ($5::float8 IS NULL OR vram_required_gb <= $5)
    AND (
      $6::text IS NULL OR position(lower($6) IN lower(family)) > 0
      OR EXISTS (
        SELECT FROM model_names n WHERE n.model_id = models.id AND position(lower($6) IN lower(n.name)) > 0
      )
    )
), page AS (
  SELECT id, name, family, size, type, context_length, vram_required_gb, price_input_micros, price_output_micros,
  price_cached_input_micros, tokens_per_second_capacity, status, metadata, version, created_at, updated_at,
  ARRAY (SELECT n.name FROM model_names n WHERE n.model_id = models.id AND n.is_alias ORDER BY n.name) AS aliases
  FROM matching models ORDER BY /* sort */ created_at DESC, id DESC LIMIT $7::int OFFSET $8::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
