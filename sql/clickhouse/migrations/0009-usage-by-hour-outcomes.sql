-- As in usage_by_minute.
ALTER TABLE usage_by_hour
    ADD COLUMN IF NOT EXISTS classified_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS successes SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS timeouts SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS retried_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS resumed_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0
