SELECT node_id, healthy, running, waiting, kv_cache_usage, observed_at FROM node_live
