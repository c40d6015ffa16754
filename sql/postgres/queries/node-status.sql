-- What is known of a node beside its row: since when its health is what it is, what its agent last said, how its launch went.
SELECT n.id,
  (SELECT e.at FROM node_events e WHERE e.node_id = n.id AND e.event = 'health' ORDER BY e.sequence DESC LIMIT 1)
    AS health_changed_at,
  h.at, h.running, h.waiting, h.kv_cache_usage, h.gpu_utilization, h.gpu_memory_used_gb,
  n.drained_at, j.id AS job_id, j.status AS job_status, j.stage, j.progress, j.error
FROM nodes n LEFT JOIN node_heartbeats h ON h.node_id = n.id
LEFT JOIN LATERAL (
  SELECT * FROM jobs WHERE node_id = n.id AND kind = 'launch' ORDER BY created_at DESC LIMIT 1
) j ON true
WHERE n.id = $1
