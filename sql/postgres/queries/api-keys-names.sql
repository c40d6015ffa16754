-- Names of a tenant's API keys by their ids, of revoked ones too.
SELECT id, name FROM api_keys WHERE tenant_id = $1 AND id = ANY ($2::uuid[])
