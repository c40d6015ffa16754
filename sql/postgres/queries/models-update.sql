UPDATE models
SET name = $2, family = $3, size = $4, type = $5, context_length = $6, vram_required_gb = $7, price_input_micros = $8,
  price_output_micros = $9, price_cached_input_micros = $10, tokens_per_second_capacity = $11, status = $12,
  metadata = $13::jsonb, version = version + 1, updated_at = now()
WHERE id = $1
