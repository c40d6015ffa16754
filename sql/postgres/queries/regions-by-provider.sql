SELECT id, provider, code, name, price_multiplier, version, created_at, updated_at
FROM regions WHERE provider = $1 ORDER BY code
