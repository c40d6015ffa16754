-- Ends what deployments wait for: those that drain are over when no node is left, those that scale have arrived when
-- they have the nodes that are wanted.
WITH present AS (
  SELECT d.id, d.status, d.target_node_count AS wanted,
    count(n.id) AS nodes, count(n.id) FILTER (WHERE n.status = 'active') AS active
  FROM deployments d LEFT JOIN nodes n ON n.deployment_id = d.id AND n.status <> 'terminated'
  WHERE d.status IN ('launching', 'scaling', 'draining')
  GROUP BY d.id
), settled AS (
  SELECT id, status, wanted, CASE
    WHEN status = 'draining' AND nodes = 0 THEN 'terminated'
    WHEN status = 'scaling' AND wanted = 0 AND nodes = 0 THEN 'paused'
    WHEN status IN ('launching', 'scaling') AND wanted > 0 AND nodes = wanted AND active = wanted THEN 'active'
  END AS becomes
  FROM present
)
UPDATE deployments d
SET status = settled.becomes, version = version + 1, updated_at = now()
FROM settled
WHERE d.id = settled.id AND settled.becomes IS NOT NULL
  AND (d.status, d.target_node_count) = (settled.status, settled.wanted)
