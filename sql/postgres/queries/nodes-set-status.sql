-- $1 nodes, $2 status, $3 who, $4 why. What was said of the machine's end is forgotten when the node takes requests.
WITH changed AS (
  UPDATE nodes
  SET status = $2, status_changed_at = now(), version = version + 1, updated_at = now(),
    terminates_at = CASE WHEN $2 <> 'active' THEN terminates_at END
  WHERE id = ANY ($1::uuid[]) RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', status, $3, $4 FROM changed
