INSERT INTO deployments (
  id, model_id, provider, region_id, instance_type_id, spec, auto_scaling, target_node_count, status, asleep,
  generation
)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9, $10, $11)
