-- What is known of a node beside its row: since when its health is what it is, and what its agent last said.
SELECT n.id,
  (SELECT e.at FROM node_events e WHERE e.node_id = n.id AND e.event = 'health' ORDER BY e.sequence DESC LIMIT 1)
    AS health_changed_at,
  h.at, h.running, h.waiting, h.kv_cache_usage, h.gpu_utilization, h.gpu_memory_used_gb
FROM nodes n LEFT JOIN node_heartbeats h ON h.node_id = n.id
WHERE n.id = $1
