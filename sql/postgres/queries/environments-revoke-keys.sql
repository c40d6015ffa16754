-- Of an environment that is deleted: the keys that had expired can not be given a new life.
UPDATE api_keys SET revoked_at = now(), version = version + 1, updated_at = now()
WHERE environment_id = $1 AND revoked_at IS NULL
