-- $1 node, $2 address, $3 version of its engine, $4 status, $5 who, $6 why
WITH changed AS (
  UPDATE nodes
  SET endpoint_url = $2, engine_version = $3, status = $4,
    status_changed_at = CASE WHEN status = $4 THEN status_changed_at ELSE now() END,
    version = version + 1, updated_at = now()
  WHERE id = $1 RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'registered', status, $5, $6 FROM changed
