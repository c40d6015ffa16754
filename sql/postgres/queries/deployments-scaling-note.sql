-- What the autoscaler remembers of a deployment: $1 deployment, $2 state, $3 nodes that were wanted then
UPDATE deployments SET scaling = $2::jsonb WHERE id = $1 AND target_node_count = $3
