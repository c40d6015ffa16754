-- The load needs another number of nodes, unless somebody has changed something meanwhile: $1 deployment, $2 nodes, $3 none
-- until a request comes, $4 what the autoscaler remembers, $5 nodes that were wanted, $6 settings that it was decided by
UPDATE deployments
SET target_node_count = $2, asleep = $3, scaling = $4::jsonb, status = 'scaling', version = version + 1, updated_at = now()
WHERE id = $1 AND target_node_count = $5 AND auto_scaling = $6::jsonb AND status IN ('launching', 'active', 'scaling')
RETURNING id
