-- $1: nodes on which nothing runs. A proxy that has not heard of the termination yet gets a few seconds; a node that
-- does not say what it runs gets ten minutes. One that was launched is over when its machine is gone, too. Nodes that somebody
-- has locked are finished the next time.
WITH due AS (
  SELECT id FROM nodes
  WHERE status = 'terminating' AND drained_at IS NULL AND (
    (id = ANY ($1::uuid[]) AND status_changed_at < now() - interval '3 seconds')
    OR status_changed_at < now() - interval '10 minutes'
  )
  FOR UPDATE SKIP LOCKED
), finished AS (
  UPDATE nodes
  SET status = CASE WHEN launcher = 'static' OR machine_gone_at IS NOT NULL THEN 'terminated' ELSE status END,
    status_changed_at = CASE
      WHEN launcher = 'static' OR machine_gone_at IS NOT NULL THEN now() ELSE status_changed_at
    END,
    drained_at = now(), version = version + 1, updated_at = now()
  WHERE id IN (SELECT id FROM due)
  RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message)
SELECT id, 'status', status, 'leader',
  CASE WHEN id = ANY ($1::uuid[]) THEN 'nothing runs on it any more' ELSE 'it had ten minutes to run dry' END
FROM finished
