-- Nodes in a region that are not terminated. $1 provider, $2 code
SELECT n.id, n.cluster_name, m.name AS model_name, t.name AS instance_type, n.status
FROM nodes n JOIN models m ON m.id = n.model_id LEFT JOIN instance_types t ON t.id = n.instance_type_id
WHERE n.provider = $1 AND n.region = $2 AND n.status <> 'terminated'
ORDER BY n.cluster_name
