-- $1 key, $2 tenant. Whether the key works, and it goes on doing so until the transaction ends.
SELECT id FROM api_keys
WHERE id = $1 AND tenant_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) FOR SHARE
