SELECT c.version,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', m.id,
      'name', m.name,
      'aliases', ARRAY (SELECT n.name FROM model_names n WHERE n.model_id = m.id AND n.is_alias ORDER BY n.name),
      'family', m.family,
      'type', m.type,
      'context_length', m.context_length,
      'price_input_micros', m.price_input_micros,
      'price_cached_input_micros', m.price_cached_input_micros,
      'price_output_micros', m.price_output_micros,
      'tokens_per_second_capacity', m.tokens_per_second_capacity,
      'created_at', floor(extract(epoch FROM m.created_at)),
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
    ) ORDER BY m.name), '[]')
    FROM models m LEFT JOIN routing_configs r ON r.model_id = m.id
    WHERE m.deleted_at IS NULL
  ) AS models,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', id,
      'cluster_name', cluster_name,
      'model_id', model_id,
      'endpoint_url', endpoint_url,
      'upstream_model', upstream_model,
      'weight', weight,
      'max_concurrency', max_concurrency,
      'api_key', api_key,
      'engine', engine,
      'status', status
    ) ORDER BY cluster_name), '[]')
    FROM nodes WHERE status <> 'terminated' AND endpoint_url IS NOT NULL
  ) AS nodes,
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', d.id,
      'model_id', d.model_id,
      'status', d.status,
      'asleep', d.asleep,
      'wanted', d.target_node_count,
      'serving', present.serving,
      'launching_since_ms', present.launching_since_ms,
      'retry', CASE WHEN present.serving < d.target_node_count THEN d.retry END,
      'launches', d.launches
    ) ORDER BY d.id), '[]')
    FROM deployments d CROSS JOIN LATERAL (
      -- One that an administrator drains is not replaced: nobody waits for another.
      SELECT count(*) FILTER (WHERE n.status = 'active' OR n.status = 'draining' AND n.terminates_at IS NULL) AS serving,
        floor(extract(epoch FROM min(n.created_at) FILTER (WHERE n.status = 'launching')) * 1000) AS launching_since_ms
      FROM nodes n WHERE n.deployment_id = d.id AND n.status <> 'terminated'
    ) present
    WHERE d.status <> 'terminated'
  ) AS deployments
FROM change_counter c
