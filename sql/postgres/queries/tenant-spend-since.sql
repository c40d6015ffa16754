-- What tenants have spent in the latest month known of each, of those rows that changed since $1 (null: all); the month
-- before counts for one day more, since clocks differ. When there are none, one row with the time alone.
SELECT clock.at, spend.tenant_id, spend.month, spend.spent_nanos
FROM (SELECT now() AS at) AS clock LEFT JOIN (
  SELECT DISTINCT ON (tenant_id) tenant_id, to_char(month, 'YYYY-MM') AS month, spent_nanos
  FROM tenant_spend
  WHERE month >= date_trunc('month', now() AT TIME ZONE 'UTC' - interval '1 day')::date
    AND ($1::timestamptz IS NULL OR updated_at >= $1)
  ORDER BY tenant_id, tenant_spend.month DESC
) AS spend ON true
