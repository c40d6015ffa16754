-- Tenants by their ids, deleted ones as well.
SELECT id, name, deleted_at IS NOT NULL AS deleted FROM tenants WHERE id = ANY ($1::uuid[])
