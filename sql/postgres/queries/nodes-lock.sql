-- The id of the node of this name, locked; of several terminated ones the latest.
SELECT id FROM nodes WHERE cluster_name = $1
ORDER BY status = 'terminated', created_at DESC, id DESC LIMIT 1
FOR UPDATE
