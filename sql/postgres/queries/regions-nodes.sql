SELECT n.cluster_name, m.name AS model_name, n.status
FROM nodes n JOIN models m ON m.id = n.model_id JOIN regions r ON r.provider = n.provider AND r.code = n.region
WHERE r.id = $1 AND n.status <> 'terminated'
ORDER BY n.cluster_name
