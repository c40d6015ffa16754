INSERT INTO deployments (
  id, model_id, provider, region_id, instance_type_id, spec, auto_scaling, target_node_count, status
)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9)
