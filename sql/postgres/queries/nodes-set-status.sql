-- $1 nodes, $2 status, $3 who, $4 why. A node that was launched is terminated once its machine is gone: until then it is
-- terminating, with nothing to wait for. What was said of the machine's end is forgotten when the node takes requests. Launches
-- of nodes that are to go are over.
WITH changed AS (
  UPDATE nodes
  SET status = CASE
      WHEN $2 = 'terminated' AND launcher <> 'static' AND machine_gone_at IS NULL THEN 'terminating' ELSE $2
    END,
    drained_at = CASE
      WHEN $2 = 'active' THEN NULL WHEN $2 = 'terminated' THEN coalesce(drained_at, now()) ELSE drained_at
    END,
    status_changed_at = now(), version = version + 1, updated_at = now(),
    terminates_at = CASE WHEN $2 <> 'active' THEN terminates_at END
  WHERE id = ANY ($1::uuid[]) AND NOT (status = 'terminated' AND $2 = 'terminated') RETURNING id, status
), jobs AS (
  UPDATE jobs SET status = 'cancelled', error = coalesce($4, 'its node is terminated'), updated_at = now(), finished_at = now()
  WHERE $2 IN ('terminating', 'terminated') AND node_id = ANY ($1::uuid[]) AND kind = 'launch'
    AND status IN ('pending', 'running')
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', status, $3, $4 FROM changed
