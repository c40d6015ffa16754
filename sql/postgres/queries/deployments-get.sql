SELECT d.id, d.model_id, m.name AS model_name, d.provider, d.region_id, g.code AS region,
  d.instance_type_id, t.name AS instance_type, d.spec,
  d.auto_scaling, d.target_node_count AS node_count, d.status, d.status_reason, d.asleep, d.generation, r.strategy, d.version, d.created_at, d.updated_at,
  (SELECT count(*)::int FROM nodes n WHERE n.deployment_id = d.id AND n.status <> 'terminated') AS live_nodes
FROM deployments d JOIN models m ON m.id = d.model_id
LEFT JOIN regions g ON g.id = d.region_id LEFT JOIN instance_types t ON t.id = d.instance_type_id
LEFT JOIN routing_configs r ON r.model_id = d.model_id
WHERE d.id = $1
