DELETE FROM idempotency_keys WHERE key_digest = $1 AND created_at < now() - interval '24 hours'
