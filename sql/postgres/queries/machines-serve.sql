-- A node of this machine's launcher serves: $1 node, $2 its address
WITH changed AS (
  UPDATE nodes
  SET endpoint_url = $2, status = CASE WHEN terminates_at IS NULL THEN 'active' ELSE 'draining' END,
    status_changed_at = now(), version = version + 1, updated_at = now()
  WHERE id = $1 AND status = 'launching' RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'registered', status, 'leader', $2 FROM changed
