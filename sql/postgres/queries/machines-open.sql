-- Nodes of launcher $1 whose machine is not known to be gone, with the job of their launch.
SELECT n.id, n.cluster_name, n.machine, n.api_key, n.status, n.deployment_id, n.created_at, n.launch_asked_at, n.region,
  n.status_changed_at, n.endpoint_url, n.drained_at IS NOT NULL AS is_drained, n.terminates_at, j.id AS job_id, j.stage, j.progress
FROM nodes n
LEFT JOIN LATERAL (
  SELECT id, stage, progress FROM jobs WHERE node_id = n.id AND kind = 'launch' ORDER BY created_at DESC LIMIT 1
) j ON true
WHERE n.launcher = $1 AND n.machine_gone_at IS NULL
ORDER BY n.created_at, n.id
