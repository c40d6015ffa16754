-- Replaces the table's content: $1 node ids, $2 healthy, $3 running, $4 waiting, $5 KV-cache use, $6 observed at,
-- $7 what proxies told, $8 whether its engine has told its load
WITH seen AS (
  SELECT *
  FROM unnest(
    $1::uuid[], $2::boolean[], $3::integer[], $4::integer[], $5::float8[], $6::timestamptz[], $7::jsonb[], $8::boolean[]
  ) AS seen (node_id, healthy, running, waiting, kv_cache_usage, observed_at, proxies, tells_load)
), gone AS (
  DELETE FROM node_live WHERE node_id <> ALL ($1::uuid[])
)
INSERT INTO node_live (node_id, healthy, running, waiting, kv_cache_usage, observed_at, proxies, tells_load)
SELECT * FROM seen
ON CONFLICT (node_id) DO UPDATE SET
  healthy = excluded.healthy, running = excluded.running, waiting = excluded.waiting,
  kv_cache_usage = excluded.kv_cache_usage, observed_at = excluded.observed_at, proxies = excluded.proxies,
  tells_load = excluded.tells_load
