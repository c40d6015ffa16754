-- $1 provider, $2 region, $3 name or alias of a model, $4 status, $5 deployment, $6 text to search (each null: any);
-- $7 nodes whose health check fails; $8 limit, $9 offset
WITH matching AS (
  SELECT n.id, n.cluster_name, n.model_id, m.name AS model_name, n.deployment_id, n.endpoint_url, n.upstream_model,
  n.provider, n.region, n.engine, n.engine_version, n.weight, n.max_concurrency, n.api_key IS NOT NULL AS has_api_key,
  n.price_per_hour_micros, n.status, n.status_changed_at, n.terminates_at, h.at AS last_heartbeat_at, n.version,
  n.created_at, n.updated_at
  FROM nodes n JOIN models m ON m.id = n.model_id LEFT JOIN node_heartbeats h ON h.node_id = n.id
  WHERE ($1::text IS NULL OR n.provider = $1)
    AND ($2::text IS NULL OR n.region = $2)
    AND ($3::text IS NULL OR n.model_id = (SELECT model_id FROM model_names WHERE name = $3))
    AND (
      $4::text IS NULL
      OR $4 = CASE WHEN n.status = 'active' AND n.id = ANY ($7::uuid[]) THEN 'unhealthy' ELSE n.status END
    )
    AND ($5::uuid IS NULL OR n.deployment_id = $5)
    AND (
      $6::text IS NULL OR position(lower($6) IN n.cluster_name) > 0 OR position(lower($6) IN lower(m.name)) > 0
      OR position(lower($6) IN lower(n.upstream_model)) > 0 OR position(lower($6) IN lower(n.endpoint_url)) > 0
    )
), page AS (
  SELECT * FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $8::int OFFSET $9::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
