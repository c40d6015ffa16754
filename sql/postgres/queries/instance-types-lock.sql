SELECT id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at
FROM instance_types WHERE id = $1 FOR UPDATE
