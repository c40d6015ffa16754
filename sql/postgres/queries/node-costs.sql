-- What nodes cost from $1 to $2, those of ids $3 or of deployments $4 (each null: all); a row for each that cost anything
-- then. A node costs its price of the time: a registered one from its registration until it is terminated or has failed, a
-- launched one from when its machine was asked for until that is gone. Time of which no price is known is `unpriced`.
-- Nano-dollars are whole for each node, so that sums of nodes agree to the last one.
WITH up AS (
  SELECT n.id, n.model_id, n.deployment_id,
    greatest(CASE n.launcher WHEN 'static' THEN n.created_at ELSE n.launch_asked_at END, $1::timestamptz) AS since,
    least(
      CASE WHEN n.launcher <> 'static' THEN n.machine_gone_at
        WHEN n.status IN ('terminated', 'failed') THEN n.status_changed_at END,
      $2::timestamptz
    ) AS until
  FROM nodes n
  WHERE ($3::uuid[] IS NULL OR n.id = ANY ($3)) AND ($4::uuid[] IS NULL OR n.deployment_id = ANY ($4))
    AND (n.launcher = 'static' OR n.launch_asked_at IS NOT NULL)
)
SELECT up.id AS node_id, up.deployment_id, m.name AS model, span.seconds::float8 AS seconds,
  (span.seconds - coalesce(priced.seconds, 0))::float8 AS unpriced_seconds,
  coalesce(round(priced.cost * 1000 / 3600), 0)::text AS cost_nanos
FROM up JOIN models m ON m.id = up.model_id
CROSS JOIN LATERAL (SELECT extract(epoch FROM up.until - up.since) AS seconds) span
LEFT JOIN LATERAL (
  SELECT sum(s.seconds) AS seconds, sum(s.seconds * s.price) AS cost
  FROM (
    SELECT p.price_per_hour_micros AS price, extract(epoch FROM
      least(lead(p.from_at) OVER (ORDER BY p.from_at), up.until) - greatest(p.from_at, up.since)
    ) AS seconds
    FROM node_prices p WHERE p.node_id = up.id
  ) s
  WHERE s.price IS NOT NULL AND s.seconds > 0
) priced ON true
WHERE up.until > up.since
