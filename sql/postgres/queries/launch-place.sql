-- What provider $1 offers of region $2, instance type $3 and GPU $4 (each null: not asked for). A provider is known by
-- its regions.
SELECT
  EXISTS (SELECT FROM regions WHERE provider = $1) AS known,
  (SELECT id FROM regions WHERE provider = $1 AND code = $2) AS region_id,
  (SELECT id FROM instance_types WHERE provider = $1 AND name = $3) AS instance_type_id,
  (SELECT gpu_model FROM instance_types WHERE provider = $1 AND name = $3) AS instance_gpu_type,
  EXISTS (SELECT FROM instance_types WHERE provider = $1 AND gpu_model = $4) AS offers_gpu_type
