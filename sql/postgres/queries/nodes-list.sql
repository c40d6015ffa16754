-- $1 provider, $2 region, $3 name or alias of a model, $4 status (each null: any); $5 nodes whose health check
-- fails; $6 limit, $7 offset
WITH matching AS (
  SELECT n.id, n.cluster_name, n.model_id, m.name AS model_name, n.endpoint_url, n.upstream_model, n.provider, n.region,
  n.engine, n.weight, n.max_concurrency, n.api_key IS NOT NULL AS has_api_key, n.price_per_hour_micros, n.status,
  n.version, n.created_at, n.updated_at
  FROM nodes n JOIN models m ON m.id = n.model_id
  WHERE ($1::text IS NULL OR n.provider = $1)
    AND ($2::text IS NULL OR n.region = $2)
    AND ($3::text IS NULL OR n.model_id = (SELECT model_id FROM model_names WHERE name = $3))
    AND (
      $4::text IS NULL
      OR $4 = CASE WHEN n.status = 'active' AND n.id = ANY ($5::uuid[]) THEN 'unhealthy' ELSE n.status END
    )
), page AS (
  SELECT * FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $6::int OFFSET $7::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
