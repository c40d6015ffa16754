-- Launches whose nodes serve by now.
SELECT j.id, n.cluster_name, n.deployment_id, n.machine ->> 'market' AS market, j.created_at
FROM jobs j JOIN nodes n ON n.id = j.node_id
WHERE j.kind = 'launch' AND j.status IN ('pending', 'running')
  AND n.status IN ('active', 'unhealthy', 'draining') AND n.endpoint_url IS NOT NULL
