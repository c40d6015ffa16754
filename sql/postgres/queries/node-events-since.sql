-- What happened to node $1 after number $2, oldest first.
SELECT sequence AS id, at, event, status, actor, message FROM node_events
WHERE node_id = $1 AND sequence > $2::bigint
ORDER BY sequence
