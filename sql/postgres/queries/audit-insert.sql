INSERT INTO audit_log (id, actor, action, target_type, target_id, tenant_id, before, after, request_id, address)
VALUES ($1, $2, $3, $4, $5, $6::uuid, $7::jsonb, $8::jsonb, $9, $10)
