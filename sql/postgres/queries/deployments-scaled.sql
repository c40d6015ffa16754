-- Deployments that have as many nodes as their load needs: neither paused nor over. With their nodes and the room to wait.
SELECT d.id, d.model_id, d.target_node_count AS wanted, d.asleep, d.auto_scaling, d.scaling,
  coalesce(r.queue_max_depth, 1000) AS max_depth, coalesce(r.queue_cold_start_max_wait_ms, 600000) AS cold_start_max_wait_ms,
  coalesce(n.nodes, '[]') AS nodes
FROM deployments d
LEFT JOIN routing_configs r ON r.model_id = d.model_id
LEFT JOIN LATERAL (
  SELECT json_agg(json_build_object('id', id, 'status', status)) AS nodes
  FROM nodes WHERE deployment_id = d.id AND status NOT IN ('terminated', 'failed')
) n ON true
WHERE d.auto_scaling ->> 'enabled' = 'true' AND d.status IN ('launching', 'active', 'scaling')
  AND (d.target_node_count > 0 OR d.asleep)
ORDER BY d.id
