-- What the platform has now, and what its nodes cost from $1 to $2, in nano-dollars. A node costs its present price from
-- its registration until it was terminated or failed; one without a price costs nothing that is known of.
SELECT
  (SELECT count(*) FROM tenants WHERE deleted_at IS NULL) AS total_tenants,
  (SELECT count(*) FROM deployments WHERE status <> 'terminated') AS total_deployments,
  count(*) FILTER (WHERE status NOT IN ('terminated', 'failed')) AS total_nodes,
  count(*) FILTER (WHERE seconds > 0 AND price_per_hour_micros IS NULL) AS unpriced_nodes,
  coalesce(round(sum(seconds * price_per_hour_micros * 1000 / 3600) FILTER (WHERE seconds > 0)), 0)::text
    AS node_cost_nanos
FROM (
  SELECT status, price_per_hour_micros, extract(epoch FROM
    least(CASE WHEN status IN ('terminated', 'failed') THEN status_changed_at END, $2::timestamptz)
    - greatest(created_at, $1::timestamptz)
  ) AS seconds
  FROM nodes
) up
