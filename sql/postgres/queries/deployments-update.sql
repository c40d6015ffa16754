UPDATE deployments
SET region_id = $2, instance_type_id = $3, spec = $4::jsonb, auto_scaling = $5::jsonb, target_node_count = $6,
  status = $7, version = version + 1, updated_at = now()
WHERE id = $1
