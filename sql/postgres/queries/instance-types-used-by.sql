-- What runs on an instance type. At most five of each kind.
(
  SELECT 'node' AS kind, cluster_name AS name FROM nodes
  WHERE instance_type_id = $1 AND status <> 'terminated' ORDER BY cluster_name LIMIT 5
)
UNION ALL
(
  SELECT 'deployment', id::text FROM deployments
  WHERE instance_type_id = $1 AND status <> 'terminated' ORDER BY id LIMIT 5
)
