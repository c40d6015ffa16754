-- Where a machine came up that might have come up in several places: $1 node, $2 cloud, $3 region. Its price is that of the
-- catalogue there from then on; where the catalogue has none, it is not known. Of a node without an instance type, the lowest of
-- those with its GPUs: SkyPilot takes the cheapest.
WITH placed AS (
  SELECT id, instance_type_id, machine, price_per_hour_micros AS before FROM nodes
  WHERE id = $1 AND region IS NULL AND machine_gone_at IS NULL FOR UPDATE
), priced AS (
  SELECT min(floor(
    CASE p.machine ->> 'market' WHEN 'spot' THEN t.price_spot_micros ELSE t.price_on_demand_micros END
    * r.price_multiplier + 0.5
  )::bigint) AS after
  FROM placed p
  JOIN instance_types t ON t.provider = $2 AND ($3 = ANY (t.regions) OR t.regions IS NULL) AND CASE
    WHEN p.instance_type_id IS NOT NULL THEN t.id = p.instance_type_id
    ELSE t.gpu_model IS NOT DISTINCT FROM p.machine ->> 'gpuType' AND t.gpu_count = (p.machine ->> 'gpuCount')::int
  END
  JOIN regions r ON r.provider = $2 AND r.code = $3
), changed AS (
  UPDATE nodes n
  SET provider = $2, region = $3, price_per_hour_micros = c.after, version = version + 1, updated_at = now()
  FROM placed p, priced c WHERE n.id = p.id
  RETURNING n.id, n.status, p.before, c.after
)
INSERT INTO node_events (node_id, event, status, actor, message)
SELECT id, 'changed', status, 'leader', format(
  'in %s/%s, price_per_hour %s → %s', $2::text, $3::text,
  coalesce(trim_scale(before / 1e6)::text, 'none'), coalesce(trim_scale(after / 1e6)::text, 'none')
)
FROM changed
