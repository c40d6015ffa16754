-- What somebody sets begins anew: launches that failed before count no more.
UPDATE deployments
SET region_id = $2, instance_type_id = $3, spec = $4::jsonb, auto_scaling = $5::jsonb, target_node_count = $6,
  status = $7, asleep = $8, generation = $9, retry = NULL, status_reason = NULL, version = version + 1, updated_at = now()
WHERE id = $1
