-- What every tenant has spent by calendar month (UTC) since a time (Unix seconds). The amounts are text: beyond 2^53 a
-- JSON number is not exact.
SELECT tenant_id, toStartOfMonth(bucket) AS month, toString(sum(cost_nanos)) AS spent_nanos
FROM usage_by_hour
WHERE bucket >= toDateTime({since:UInt32}, 'UTC')
GROUP BY tenant_id, month
HAVING sum(cost_nanos) > 0
