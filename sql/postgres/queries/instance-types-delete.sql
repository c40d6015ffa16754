DELETE FROM instance_types WHERE id = $1
