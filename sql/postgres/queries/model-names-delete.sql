DELETE FROM model_names WHERE model_id = $1
