-- The node of this name; of several terminated ones the latest.
SELECT n.id, n.cluster_name, n.model_id, m.name AS model_name, n.endpoint_url, n.upstream_model, n.provider, n.region,
  n.engine, n.weight, n.max_concurrency, n.api_key IS NOT NULL AS has_api_key, n.price_per_hour_micros, n.status,
  n.version, n.created_at, n.updated_at
FROM nodes n JOIN models m ON m.id = n.model_id
WHERE n.cluster_name = $1
ORDER BY n.status = 'terminated', n.created_at DESC, n.id DESC LIMIT 1
