UPDATE instance_types
SET provider = $2, name = $3, vcpus = $4, memory_gb = $5, gpu_model = $6, gpu_count = $7, gpu_memory_gb = $8,
  price_on_demand_micros = $9, price_spot_micros = $10, price_as_of = $11::date, version = version + 1, updated_at = now()
WHERE id = $1
