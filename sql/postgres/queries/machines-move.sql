-- A node's engine was started again at another address: $1 node, $2 its address
WITH changed AS (
  UPDATE nodes SET endpoint_url = $2, version = version + 1, updated_at = now()
  WHERE id = $1 AND status IN ('active', 'unhealthy', 'draining', 'terminating') AND endpoint_url <> $2 RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'registered', status, 'leader', $2 FROM changed
