-- Names and weights of the model's nodes that are not terminated, and are not until the transaction ends.
SELECT cluster_name, weight FROM nodes WHERE model_id = $1 AND status <> 'terminated' ORDER BY id FOR SHARE
