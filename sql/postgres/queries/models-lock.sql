SELECT id, name, family, size, type, context_length, vram_required_gb, price_input_micros, price_output_micros,
  price_cached_input_micros, tokens_per_second_capacity, status, metadata, version, created_at, updated_at,
  ARRAY (SELECT n.name FROM model_names n WHERE n.model_id = models.id AND n.is_alias ORDER BY n.name) AS aliases
FROM models WHERE id = $1 AND deleted_at IS NULL FOR UPDATE
