-- Launches by launcher $1 whose nodes serve by now.
SELECT j.id, n.cluster_name, n.deployment_id, n.machine ->> 'market' AS market, j.created_at
FROM jobs j JOIN nodes n ON n.id = j.node_id
WHERE n.launcher = $1 AND j.kind = 'launch' AND j.status IN ('pending', 'running')
  AND n.status IN ('active', 'unhealthy', 'draining') AND n.endpoint_url IS NOT NULL
