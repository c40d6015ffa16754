-- A deployment's nodes that are not terminated, locked: the newest first.
SELECT id, status, endpoint_url IS NOT NULL AS has_address, coalesce(machine ->> 'market', 'on_demand') AS market, generation,
  terminates_at, created_at
FROM nodes
WHERE deployment_id = $1 AND status <> 'terminated'
ORDER BY created_at DESC, id DESC
FOR UPDATE
