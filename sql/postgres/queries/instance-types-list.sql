-- $1 provider, $2 GPU model in any case, $3 least GPUs, $4 least GB of memory on each, $5 least vCPUs, $6 least GB of
-- memory, $7 highest on-demand price in micro-dollars, $8 code of a region where it is offered, $9 text to search
-- (each null: any); $10 limit, $11 offset
WITH matching AS (
  SELECT id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at,
  price_on_demand_micros AS price_on_demand_per_hour, price_spot_micros AS price_spot_per_hour -- to sort by
  FROM instance_types
  WHERE ($1::text IS NULL OR provider = $1)
    AND ($2::text IS NULL OR lower(gpu_model) = lower($2))
    AND ($3::int IS NULL OR gpu_count >= $3)
    AND ($4::float8 IS NULL OR gpu_memory_gb >= $4)
    AND ($5::int IS NULL OR vcpus >= $5)
    AND ($6::float8 IS NULL OR memory_gb >= $6)
    AND ($7::bigint IS NULL OR price_on_demand_micros <= $7)
    AND (
      $8::text IS NULL OR $8 = ANY (regions)
      OR regions IS NULL AND EXISTS (
        SELECT FROM regions r WHERE r.provider = instance_types.provider AND r.code = $8
      )
    )
    AND ($9::text IS NULL OR position(lower($9) IN lower(name)) > 0 OR position(lower($9) IN lower(gpu_model)) > 0)
), page AS (
  SELECT * FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $10::int OFFSET $11::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
