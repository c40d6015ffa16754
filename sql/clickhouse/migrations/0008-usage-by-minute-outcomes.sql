-- How requests ended. Rows of before have zeros in all of these: rates are shares of classified_requests, which counts
-- the requests that the others know of. 0010 and 0011 fill them.
ALTER TABLE usage_by_minute
    ADD COLUMN IF NOT EXISTS classified_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS successes SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS timeouts SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS retried_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS resumed_requests SimpleAggregateFunction(sum, UInt64) DEFAULT 0
