-- $1 node, $2 at, $3 running, $4 waiting, $5 KV-cache use, $6 GPU utilization, $7 GPU memory used in GB
INSERT INTO node_heartbeats (node_id, at, running, waiting, kv_cache_usage, gpu_utilization, gpu_memory_used_gb)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (node_id) DO UPDATE SET
  at = excluded.at, running = excluded.running, waiting = excluded.waiting, kv_cache_usage = excluded.kv_cache_usage,
  gpu_utilization = excluded.gpu_utilization, gpu_memory_used_gb = excluded.gpu_memory_used_gb
