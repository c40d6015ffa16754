-- Deployments that still refer to the model.
SELECT id FROM deployments WHERE model_id = $1 AND status <> 'terminated' ORDER BY id LIMIT 5
