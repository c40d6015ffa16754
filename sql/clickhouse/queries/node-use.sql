-- What nodes did from `start` to `end` (Unix seconds, whole minutes): those of `node_ids`, all where that is empty.
SELECT
    toString(node_id) AS node_id,
    sum(m.tokens) AS tokens,
    sum(bitCount(m.busy)) AS busy_seconds
FROM
(
    SELECT
        u.node_id AS node_id,
        u.bucket AS bucket,
        sum(u.prompt_tokens) + sum(u.completion_tokens) AS tokens,
        groupBitOr(u.busy) AS busy
    FROM usage_by_node AS u
    WHERE u.bucket >= toDateTime({start:Int64}, 'UTC')
        AND u.bucket < toDateTime({end:Int64}, 'UTC')
        AND (empty({node_ids:Array(UUID)}) OR u.node_id IN {node_ids:Array(UUID)})
    GROUP BY node_id, bucket
) AS m
GROUP BY node_id
