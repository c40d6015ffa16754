-- Weights that are null stay as they are: a node that is terminated meanwhile drops its own.
INSERT INTO routing_configs (
  model_id, strategy, health_interval_seconds, health_timeout_seconds, unhealthy_threshold, healthy_threshold,
  connection_timeout_ms, first_token_timeout_ms, idle_timeout_ms, node_weights, allowed_body_fields, sticky_sessions,
  retry_attempts, retry_budget_percent, hedge_after_ms, resume_streams, queue_max_depth, queue_max_wait_ms,
  queue_cold_start_max_wait_ms
)
VALUES (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10::jsonb, '{}'), $11::text[], $12, $13, $14, $15, $16, $17, $18, $19
)
ON CONFLICT (model_id) DO UPDATE SET
  strategy = excluded.strategy, health_interval_seconds = excluded.health_interval_seconds,
  health_timeout_seconds = excluded.health_timeout_seconds, unhealthy_threshold = excluded.unhealthy_threshold,
  healthy_threshold = excluded.healthy_threshold, connection_timeout_ms = excluded.connection_timeout_ms,
  first_token_timeout_ms = excluded.first_token_timeout_ms, idle_timeout_ms = excluded.idle_timeout_ms,
  node_weights = coalesce($10::jsonb, routing_configs.node_weights), allowed_body_fields = excluded.allowed_body_fields,
  sticky_sessions = excluded.sticky_sessions, retry_attempts = excluded.retry_attempts,
  retry_budget_percent = excluded.retry_budget_percent, hedge_after_ms = excluded.hedge_after_ms,
  resume_streams = excluded.resume_streams, queue_max_depth = excluded.queue_max_depth,
  queue_max_wait_ms = excluded.queue_max_wait_ms,
  queue_cold_start_max_wait_ms = excluded.queue_cold_start_max_wait_ms, version = routing_configs.version + 1, updated_at = now()
