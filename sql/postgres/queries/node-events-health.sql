-- $1 node, $2 whether it is healthy now, $3 why. Its row is locked: see the table.
WITH node AS (SELECT id, status FROM nodes WHERE id = $1 FOR NO KEY UPDATE)
INSERT INTO node_events (node_id, event, status, actor, message)
SELECT id, 'health', CASE WHEN status = 'active' AND NOT $2::boolean THEN 'unhealthy' ELSE status END, 'leader', $3
FROM node
