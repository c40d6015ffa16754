-- $1 name or alias of a model, $2 provider, $3 status, $4 text to search (each null: any); $5 limit, $6 offset
WITH matching AS (
  SELECT d.id, d.model_id, m.name AS model_name, d.provider, d.region_id, g.code AS region,
  d.instance_type_id, t.name AS instance_type, d.spec,
  d.auto_scaling, d.target_node_count AS node_count, d.status, d.status_reason, d.asleep, d.generation, r.strategy, d.version, d.created_at, d.updated_at,
  (SELECT count(*)::int FROM nodes n WHERE n.deployment_id = d.id AND n.status <> 'terminated') AS live_nodes
  FROM deployments d JOIN models m ON m.id = d.model_id
  LEFT JOIN regions g ON g.id = d.region_id LEFT JOIN instance_types t ON t.id = d.instance_type_id
  LEFT JOIN routing_configs r ON r.model_id = d.model_id
  WHERE ($1::text IS NULL OR d.model_id = (SELECT model_id FROM model_names WHERE name = $1))
    AND ($2::text IS NULL OR d.provider = $2)
    AND ($3::text IS NULL OR d.status = $3)
    AND (
      $4::text IS NULL OR position(lower($4) IN lower(m.name)) > 0 OR position(lower($4) IN lower(d.provider)) > 0
      OR position(lower($4) IN lower(g.code)) > 0 OR position(lower($4) IN lower(t.name)) > 0
    )
), page AS (
  SELECT * FROM matching ORDER BY /* sort */ created_at DESC, id DESC LIMIT $5::int OFFSET $6::int
)
SELECT total.total, page.*
FROM (SELECT count(*) AS total FROM matching) total LEFT JOIN page ON true
ORDER BY /* sort */ page.created_at DESC, page.id DESC
