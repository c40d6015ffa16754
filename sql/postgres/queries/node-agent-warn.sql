-- $1 node, $2 status, $3 when the machine is taken away (null: as was said before), $4 who, $5 why
WITH changed AS (
  UPDATE nodes
  SET status = $2, terminates_at = coalesce($3, terminates_at),
    status_changed_at = CASE WHEN status = $2 THEN status_changed_at ELSE now() END,
    version = version + 1, updated_at = now()
  WHERE id = $1 RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'warning', status, $4, $5 FROM changed
