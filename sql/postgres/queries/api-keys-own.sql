-- Whether an API key is a tenant's, revoked or not.
SELECT id FROM api_keys WHERE id = $1 AND tenant_id = $2
