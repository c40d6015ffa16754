INSERT INTO admin_tokens (id, name, digest, prefix, scope, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, name, prefix, scope, expires_at, revoked_at, last_used_at, created_at
