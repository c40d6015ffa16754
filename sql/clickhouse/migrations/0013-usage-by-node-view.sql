-- A request counts in the minute of its end, at the node that served it in the end, and keeps that one busy from its
-- arrival on; if it took longer than a day, for the last day of it.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_by_node_view TO usage_by_node AS
SELECT
    node_id,
    toDateTime(minute * 60, 'UTC') AS bucket,
    countIf(is_end) AS requests,
    sumIf(r.prompt_tokens, is_end) AS prompt_tokens,
    sumIf(r.completion_tokens, is_end) AS completion_tokens,
    groupBitOr(bitShiftLeft(bitShiftLeft(toUInt64(1), last_bit - first_bit + 1) - 1, first_bit)) AS busy
FROM
(
    SELECT
        node_id,
        prompt_tokens,
        completion_tokens,
        toInt64(toUnixTimestamp(toDateTime(ended_at, 'UTC'))) AS last_second,
        greatest(
            least(toInt64(toUnixTimestamp(toDateTime(started_at, 'UTC'))), last_second),
            last_second - 86400
        ) AS first_second,
        arrayJoin(range(intDiv(first_second, 60), intDiv(last_second, 60) + 1)) AS minute,
        greatest(first_second - minute * 60, 0) AS first_bit,
        least(last_second - minute * 60, 59) AS last_bit,
        minute = intDiv(last_second, 60) AS is_end
    FROM usage_records
) AS r
GROUP BY node_id, bucket
