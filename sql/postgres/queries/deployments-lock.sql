SELECT id FROM deployments WHERE id = $1 FOR UPDATE
