UPDATE admin_tokens SET revoked_at = now() WHERE id = $1
