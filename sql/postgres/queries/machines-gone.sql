-- Nothing is left of a node's machine: $1 node
WITH changed AS (
  UPDATE nodes n
  SET machine_gone_at = now(), status = CASE WHEN n.status = 'terminating' THEN 'terminated' ELSE n.status END,
    status_changed_at = CASE WHEN n.status = 'terminating' THEN now() ELSE n.status_changed_at END,
    version = n.version + 1, updated_at = now()
  FROM (SELECT id, status AS was FROM nodes WHERE id = $1 FOR UPDATE) before
  WHERE n.id = before.id AND n.machine_gone_at IS NULL RETURNING n.id, n.status, before.was
)
INSERT INTO node_events (node_id, event, status, actor, message)
SELECT id, 'status', status, 'leader', 'its machine is gone' FROM changed WHERE status <> was
