-- Months that ended more than a year ago.
DELETE FROM tenant_spend
WHERE month < date_trunc('month', now() AT TIME ZONE 'UTC')::date - interval '12 months'
