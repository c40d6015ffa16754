INSERT INTO regions (id, provider, code, name, price_multiplier) VALUES ($1, $2, $3, $4, $5)
RETURNING id, provider, code, name, price_multiplier, version, created_at, updated_at
