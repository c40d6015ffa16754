-- A launch is over without a machine: $1 node, $2 why, $3 its job. A node that was registered in the meantime serves.
WITH changed AS (
  UPDATE nodes SET status = 'failed', status_changed_at = now(), version = version + 1, updated_at = now()
  WHERE id = $1 AND status = 'launching' RETURNING id, status
), event AS (
  INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', status, 'leader', $2 FROM changed
), job AS (
  UPDATE jobs
  SET status = 'failed', error = $2, updated_at = now(), finished_at = now(), detail = jsonb_set(
    detail, '{stages}', coalesce(detail -> 'stages', '[]') || jsonb_build_object('stage', 'failed', 'at',
      to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
  ), stage = 'failed'
  WHERE id = $3 AND status IN ('pending', 'running') AND EXISTS (SELECT FROM changed)
)
SELECT id FROM changed
