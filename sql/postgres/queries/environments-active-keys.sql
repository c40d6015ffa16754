-- Names of some keys of an environment that work.
SELECT name FROM api_keys
WHERE environment_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY created_at, id LIMIT 5
