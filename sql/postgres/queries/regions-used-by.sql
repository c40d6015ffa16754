-- What runs in a region: deployments by their reference, nodes by its name. Terminated ones do not count.
SELECT 'node ' || n.cluster_name AS what
FROM nodes n JOIN regions r ON r.provider = n.provider AND r.code = n.region
WHERE r.id = $1 AND n.status <> 'terminated'
UNION ALL
SELECT 'deployment ' || d.id FROM deployments d WHERE d.region_id = $1 AND d.status <> 'terminated'
ORDER BY what LIMIT 20
