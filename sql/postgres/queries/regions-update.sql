UPDATE regions
SET provider = $2, code = $3, name = $4, price_multiplier = $5, version = version + 1, updated_at = now()
WHERE id = $1
RETURNING id, provider, code, name, price_multiplier, version, created_at, updated_at
