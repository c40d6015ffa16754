-- Gives launched nodes the prices that the catalogue has by now: those of instance type $1, those in region $2 (each null:
-- none). A node that may be in several regions has the price of the preferred one.
WITH priced AS (
  SELECT n.id, n.price_per_hour_micros AS before,
    floor(
      CASE n.machine ->> 'market' WHEN 'spot' THEN t.price_spot_micros ELSE t.price_on_demand_micros END
      * r.price_multiplier + 0.5
    )::bigint AS after
  FROM nodes n JOIN instance_types t ON t.id = n.instance_type_id
  JOIN regions r ON r.provider = t.provider AND r.code = coalesce(n.region, n.machine #>> '{regions,0}')
  WHERE n.launcher <> 'static' AND n.machine_gone_at IS NULL AND (t.id = $1::uuid OR r.id = $2::uuid)
  ORDER BY n.id FOR UPDATE OF n
), changed AS (
  UPDATE nodes n SET price_per_hour_micros = p.after, version = version + 1, updated_at = now()
  FROM priced p WHERE n.id = p.id AND p.after IS DISTINCT FROM p.before
  RETURNING n.id, n.status, p.before, p.after
)
INSERT INTO node_events (node_id, event, status, actor, message)
SELECT id, 'changed', status, 'catalogue', format(
  'price_per_hour %s → %s',
  coalesce(trim_scale(before / 1e6)::text, 'none'), coalesce(trim_scale(after / 1e6)::text, 'none')
)
FROM changed
