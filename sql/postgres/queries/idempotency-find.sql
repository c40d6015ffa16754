SELECT body_digest, reply FROM idempotency_keys WHERE key_digest = $1
