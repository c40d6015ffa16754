-- The deployment's nodes, locked, in the order in which they are given up: first those that serve nothing yet or no
-- more, then the newest.
SELECT id, status, endpoint_url IS NOT NULL AS has_address FROM nodes
WHERE deployment_id = $1 AND status <> 'terminated'
ORDER BY status = 'active', created_at DESC, id DESC
FOR UPDATE
