-- What is in a region: $1 its id, $2 its provider, $3 its code. At most five of each kind.
(
  SELECT 'node' AS kind, cluster_name AS name FROM nodes
  WHERE provider = $2 AND region = $3 AND status <> 'terminated' ORDER BY cluster_name LIMIT 5
)
UNION ALL
(
  SELECT 'deployment', id::text FROM deployments
  WHERE region_id = $1 AND status <> 'terminated' ORDER BY id LIMIT 5
)
UNION ALL
(
  SELECT 'instance type', name FROM instance_types
  WHERE provider = $2 AND $3 = ANY (regions) ORDER BY name LIMIT 5
)
