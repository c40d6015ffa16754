UPDATE idempotency_keys SET reply = $2 WHERE key_digest = $1
