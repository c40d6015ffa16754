UPDATE instance_types
SET provider = $2, name = $3, vcpus = $4, memory_gb = $5, gpu_model = $6, gpu_count = $7, gpu_memory_gb = $8,
  regions = $9::text[], price_on_demand_micros = $10, price_spot_micros = $11, price_as_of = $12::date,
  version = version + 1, updated_at = now()
WHERE id = $1
RETURNING id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at
