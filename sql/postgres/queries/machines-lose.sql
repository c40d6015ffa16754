-- A node's machine is gone although nobody asked for that: $1 node, $2 why
WITH changed AS (
  UPDATE nodes
  SET status = 'terminating', drained_at = coalesce(drained_at, now()), status_changed_at = now(), version = version + 1,
    updated_at = now()
  WHERE id = $1 AND status IN ('active', 'unhealthy', 'draining', 'terminating') RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', status, 'leader', $2 FROM changed
