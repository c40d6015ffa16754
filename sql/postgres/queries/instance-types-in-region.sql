-- What a provider offers in a region. $1 provider, $2 code
SELECT id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at
FROM instance_types WHERE provider = $1 AND (regions IS NULL OR $2 = ANY (regions)) ORDER BY name
