-- Instance types of provider $1, or, where $2, of all clouds
SELECT id, provider, name, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros
FROM instance_types
WHERE CASE WHEN $2::bool THEN provider NOT IN ('local', 'static') ELSE provider = $1 END
