INSERT INTO instance_types (
  id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text[], $10, $11, $12::date)
RETURNING id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb, regions, price_on_demand_micros,
  price_spot_micros, price_as_of::text AS price_as_of, version, created_at, updated_at
