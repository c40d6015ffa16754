INSERT INTO idempotency_keys (key_digest, body_digest, reply) VALUES ($1, $2, '') ON CONFLICT DO NOTHING
