SELECT EXISTS (
  SELECT FROM tenants WHERE max_monthly_spend_micros IS NOT NULL AND deleted_at IS NULL
) AS wanted
