-- Everything that the configuration document shows, as of one moment; with ids. $1 lower-case emails of the tenants
-- that are wanted, null: all.
SELECT
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', m.id,
      'name', m.name,
      'aliases', ARRAY (SELECT n.name FROM model_names n WHERE n.model_id = m.id AND n.is_alias),
      'family', m.family,
      'size', m.size,
      'type', m.type,
      'status', m.status,
      'context_length', m.context_length,
      'vram_required_gb', m.vram_required_gb,
      'price_input_micros', m.price_input_micros,
      'price_output_micros', m.price_output_micros,
      'price_cached_input_micros', m.price_cached_input_micros,
      'tokens_per_second_capacity', m.tokens_per_second_capacity,
      'metadata', m.metadata,
      'route', json_build_object(
        'strategy', r.strategy,
        'health_interval_seconds', r.health_interval_seconds,
        'health_timeout_seconds', r.health_timeout_seconds,
        'unhealthy_threshold', r.unhealthy_threshold,
        'healthy_threshold', r.healthy_threshold,
        'connection_timeout_ms', r.connection_timeout_ms,
        'first_token_timeout_ms', r.first_token_timeout_ms,
        'idle_timeout_ms', r.idle_timeout_ms,
        'node_weights', r.node_weights,
        'allowed_body_fields', r.allowed_body_fields,
        'sticky_sessions', r.sticky_sessions,
        'retry_attempts', r.retry_attempts,
        'retry_budget_percent', r.retry_budget_percent,
        'hedge_after_ms', r.hedge_after_ms,
        'resume_streams', r.resume_streams,
        'queue_max_depth', r.queue_max_depth,
        'queue_max_wait_ms', r.queue_max_wait_ms,
        'queue_cold_start_max_wait_ms', r.queue_cold_start_max_wait_ms,
        'route_models', models_of_route(m.id)
      )
    )), '[]')
    FROM models m LEFT JOIN routing_configs r ON r.model_id = m.id
    WHERE m.deleted_at IS NULL
  ) AS models,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', id,
      'email', email,
      'tier', tier,
      'rate_limit_per_minute', rate_limit_per_minute,
      'tokens_per_minute', tokens_per_minute,
      'max_concurrency', max_concurrency,
      'max_monthly_spend_micros', max_monthly_spend_micros,
      'allowed_models', names_of_models(allowed_model_ids)
    )), '[]')
    FROM tenants
    WHERE deleted_at IS NULL AND ($1::text[] IS NULL OR lower(email) = ANY ($1))
  ) AS tenants,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', id,
      'provider', provider,
      'code', code,
      'name', name,
      'price_multiplier', price_multiplier
    )), '[]')
    FROM regions
  ) AS regions,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', id,
      'provider', provider,
      'name', name,
      'vcpus', vcpus,
      'memory_gb', memory_gb,
      'gpu_model', gpu_model,
      'gpu_count', gpu_count,
      'gpu_memory_gb', gpu_memory_gb,
      'regions', regions,
      'price_on_demand_micros', price_on_demand_micros,
      'price_spot_micros', price_spot_micros,
      'price_as_of', price_as_of
    )), '[]')
    FROM instance_types
  ) AS instance_types
