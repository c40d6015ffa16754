SELECT n.id, n.cluster_name, n.model_id, m.name AS model_name, n.deployment_id, n.endpoint_url, n.upstream_model,
  n.provider, n.region, n.engine, n.engine_version, n.weight, n.max_concurrency, n.api_key IS NOT NULL AS has_api_key,
  n.price_per_hour_micros, n.status, n.status_changed_at, n.terminates_at, h.at AS last_heartbeat_at, n.version,
  n.created_at, n.updated_at
FROM nodes n JOIN models m ON m.id = n.model_id LEFT JOIN node_heartbeats h ON h.node_id = n.id
WHERE n.id = $1
