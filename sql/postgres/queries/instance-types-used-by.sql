-- What runs on an instance type; terminated ones do not count.
SELECT 'node ' || n.cluster_name AS what FROM nodes n WHERE n.instance_type_id = $1 AND n.status <> 'terminated'
UNION ALL
SELECT 'deployment ' || d.id FROM deployments d WHERE d.instance_type_id = $1 AND d.status <> 'terminated'
ORDER BY what LIMIT 20
