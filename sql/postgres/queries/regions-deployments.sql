-- Deployments in a region that are not terminated.
SELECT d.id, m.name AS model_name, t.name AS instance_type, d.target_node_count, d.status
FROM deployments d JOIN models m ON m.id = d.model_id LEFT JOIN instance_types t ON t.id = d.instance_type_id
WHERE d.region_id = $1 AND d.status <> 'terminated'
ORDER BY m.name, d.id
