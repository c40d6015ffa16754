-- $1 provider, $2 GPU model, $3 least number of GPUs, $4 least GB of all GPUs together, $5 most micro-dollars an hour,
-- $6 text to search (each null: any); $7 limit, $8 offset
WITH matching AS (
  SELECT *, price_on_demand_micros AS price_per_hour, price_spot_micros AS price_spot_per_hour FROM instance_types
  WHERE ($1::text IS NULL OR provider = $1)
    AND ($2::text IS NULL OR lower(gpu_model) = lower($2))
    AND ($3::int IS NULL OR gpu_count >= $3)
    AND ($4::float8 IS NULL OR gpu_count * coalesce(gpu_memory_gb, 0) >= $4)
    AND ($5::bigint IS NULL OR price_on_demand_micros <= $5)
    AND ($6::text IS NULL OR position(lower($6) IN lower(name || ' ' || coalesce(gpu_model, ''))) > 0)
), page AS (
  SELECT id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at, price_per_hour, price_spot_per_hour
  FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $7::int OFFSET $8::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
