SELECT d.id, m.name AS model_name, d.status
FROM deployments d JOIN models m ON m.id = d.model_id
WHERE d.region_id = $1 AND d.status <> 'terminated'
ORDER BY d.created_at, d.id
