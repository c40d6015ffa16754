-- The route of every model, its columns null where the model has the defaults. $1 limit, $2 offset
WITH matching AS (SELECT id, name AS model_name, created_at FROM models WHERE deleted_at IS NULL),
page AS (
  SELECT m.id, m.model_name, m.created_at, r.strategy, r.health_interval_seconds, r.health_timeout_seconds,
  r.unhealthy_threshold, r.healthy_threshold, r.connection_timeout_ms, r.first_token_timeout_ms, r.idle_timeout_ms,
  r.node_weights, r.allowed_body_fields, r.sticky_sessions, r.retry_attempts, r.retry_budget_percent, r.hedge_after_ms,
  r.resume_streams, r.queue_max_depth, r.queue_max_wait_ms, r.queue_cold_start_max_wait_ms,
  models_of_route(m.id) AS route_models, r.updated_at,
  coalesce(r.version, 0) AS version
  FROM matching m LEFT JOIN routing_configs r ON r.model_id = m.id
  ORDER BY /* sort */ m.created_at DESC, m.id DESC LIMIT $1::int OFFSET $2::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
