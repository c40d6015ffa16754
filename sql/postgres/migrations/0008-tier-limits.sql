-- Tenants get the limits of their tier; those that exist have none yet, since none were accepted. A budget of nothing
-- is no budget.
UPDATE tenants t
SET rate_limit_per_minute = d.rate_limit_per_minute, tokens_per_minute = d.tokens_per_minute,
  max_concurrency = d.max_concurrency, version = version + 1, updated_at = now()
FROM (
  VALUES ('free', 20, 40000::bigint, 2), ('starter', 300, 500000, 20), ('pro', 3000, 5000000, 200)
) d (tier, rate_limit_per_minute, tokens_per_minute, max_concurrency)
WHERE d.tier = t.tier AND t.deleted_at IS NULL
  AND t.rate_limit_per_minute IS NULL AND t.tokens_per_minute IS NULL AND t.max_concurrency IS NULL;

-- The updated rows' deferred triggers must have run before the table is altered.
SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE tenants
  DROP CONSTRAINT tenants_max_monthly_spend_micros_check,
  ADD CHECK (max_monthly_spend_micros > 0);
