-- A deployment's nodes that are not terminated, locked in the order of their ids, as by whoever locks several: the oldest
-- first. One is warned when its agent has said that the machine will be taken away, be it known when or not.
SELECT id, status, endpoint_url IS NOT NULL AS has_address, coalesce(machine ->> 'market', 'on_demand') AS market, generation,
  terminates_at IS NOT NULL OR (
    status = 'draining' AND 'warning' = (
      SELECT e.event FROM node_events e
      WHERE e.node_id = nodes.id AND e.event IN ('status', 'warning') ORDER BY e.sequence DESC LIMIT 1
    )
  ) AS is_warned, status_changed_at, created_at
FROM nodes
WHERE deployment_id = $1 AND status <> 'terminated'
ORDER BY id
FOR UPDATE
