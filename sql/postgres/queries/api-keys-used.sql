-- $1 keys, $2 when each was used. Written once a minute at most, never back in time, and never ahead of the database's
-- clock. Locked in one order, since several proxies write about the same keys.
WITH due AS (
  SELECT k.id, used.at FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at) JOIN api_keys k ON k.id = used.id
  WHERE k.last_used_at IS NULL OR k.last_used_at < LEAST(used.at, now()) - interval '1 minute'
  ORDER BY k.id FOR NO KEY UPDATE OF k
)
UPDATE api_keys SET last_used_at = LEAST(due.at, now()) FROM due WHERE api_keys.id = due.id
