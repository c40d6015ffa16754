-- $1 node, $2 weight, $3 max_concurrency, $4 who, $5 what changed
WITH changed AS (
  UPDATE nodes SET weight = $2, max_concurrency = $3, version = version + 1, updated_at = now()
  WHERE id = $1 RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'changed', status, $4, $5 FROM changed
