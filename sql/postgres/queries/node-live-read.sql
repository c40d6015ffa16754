SELECT node_id, healthy, running, waiting, kv_cache_usage, tells_load, proxies, observed_at FROM node_live
