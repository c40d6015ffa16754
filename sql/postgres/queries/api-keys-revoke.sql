UPDATE api_keys SET revoked_at = now(), version = version + 1, updated_at = now()
WHERE id = $1 AND revoked_at IS NULL
