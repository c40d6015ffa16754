-- A node's machine is gone although nobody asked for that: $1 node, $2 why. A launch that was not known to be through is over.
WITH changed AS (
  UPDATE nodes
  SET status = 'terminating', drained_at = coalesce(drained_at, now()), status_changed_at = now(), version = version + 1,
    updated_at = now()
  WHERE id = $1 AND status IN ('active', 'unhealthy', 'draining', 'terminating') RETURNING id, status
), job AS (
  UPDATE jobs SET status = 'failed', error = $2, updated_at = now(), finished_at = now()
  WHERE node_id = $1 AND kind = 'launch' AND status IN ('pending', 'running') AND EXISTS (SELECT FROM changed)
), event AS (
  INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', status, 'leader', $2 FROM changed
)
SELECT id FROM changed
