-- Nodes that still serve the model.
SELECT cluster_name FROM nodes WHERE model_id = $1 AND status <> 'terminated' ORDER BY cluster_name LIMIT 5
