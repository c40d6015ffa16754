-- Regions of provider $1, or, where $2, of all clouds
SELECT id, provider, code, price_multiplier FROM regions
WHERE CASE WHEN $2::bool THEN provider NOT IN ('local', 'static') ELSE provider = $1 END
