-- Keeps what tenants with a budget have spent: $1 tenants, $2 months, $3 nano-dollars. An amount never falls: usage is
-- only ever added, so that a lower one comes from a replica that is behind or a ClickHouse that lost some. Rows that do
-- not change are left out before the upsert, which would lock them.
INSERT INTO tenant_spend AS known (tenant_id, month, spent_nanos)
SELECT seen.tenant_id, seen.month, seen.spent_nanos
FROM unnest($1::uuid[], $2::date[], $3::bigint[]) AS seen (tenant_id, month, spent_nanos)
  JOIN tenants t ON t.id = seen.tenant_id
  LEFT JOIN tenant_spend s ON s.month = seen.month AND s.tenant_id = seen.tenant_id
WHERE t.max_monthly_spend_micros IS NOT NULL AND t.deleted_at IS NULL
  AND seen.spent_nanos > coalesce(s.spent_nanos, 0)
ON CONFLICT (month, tenant_id) DO UPDATE
SET spent_nanos = excluded.spent_nanos, updated_at = now()
WHERE excluded.spent_nanos > known.spent_nanos
