-- What a deployment needs is decided by, its row locked.
SELECT d.id, d.model_id, d.provider, g.code AS region, t.name AS instance_type, d.spec, d.target_node_count AS wanted,
  d.status, d.asleep, d.generation, d.status_reason, d.retry, d.shortage
FROM deployments d LEFT JOIN regions g ON g.id = d.region_id LEFT JOIN instance_types t ON t.id = d.instance_type_id
WHERE d.id = $1
FOR UPDATE OF d
