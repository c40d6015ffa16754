-- The model is locked for its route, which may not be there yet.
SELECT m.id, m.name AS model_name, m.created_at, r.strategy, r.health_interval_seconds, r.health_timeout_seconds,
  r.unhealthy_threshold, r.healthy_threshold, r.connection_timeout_ms, r.first_token_timeout_ms, r.idle_timeout_ms,
  r.node_weights, r.allowed_body_fields, r.sticky_sessions, r.retry_attempts, r.retry_budget_percent, r.hedge_after_ms,
  r.resume_streams, r.queue_max_depth, r.queue_max_wait_ms, r.queue_cold_start_max_wait_ms,
  models_of_route(m.id) AS route_models, r.updated_at,
  coalesce(r.version, 0) AS version
FROM models m LEFT JOIN routing_configs r ON r.model_id = m.id
WHERE m.id = $1 AND m.deleted_at IS NULL FOR UPDATE OF m
