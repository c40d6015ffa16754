INSERT INTO models (
  id, name, family, size, type, context_length, vram_required_gb, price_input_micros, price_output_micros,
  price_cached_input_micros, tokens_per_second_capacity, status, metadata
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb)
