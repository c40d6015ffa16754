SELECT id, name, prefix, scope, expires_at, revoked_at, last_used_at, created_at
FROM admin_tokens WHERE id = $1 FOR UPDATE
