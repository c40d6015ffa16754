-- How a request was served. `tenant_id` null: any tenant's. Between the two times (Unix milliseconds) it must have begun:
-- they leave the parts of other days unread.
SELECT
    tenant_id,
    api_key_id,
    model,
    served_model,
    status,
    error_code,
    toUnixTimestamp64Micro(started_at) AS started_at_micros,
    e2e_micros,
    explanation
FROM request_explanations
WHERE request_id = {request_id:UUID}
    AND started_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({tenant_id:Nullable(UUID)} IS NULL OR tenant_id = {tenant_id:Nullable(UUID)})
LIMIT 1
