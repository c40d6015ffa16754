-- Deployments that are over forget the region.
WITH forgotten AS (UPDATE deployments SET region_id = NULL WHERE region_id = $1 AND status = 'terminated')
DELETE FROM regions WHERE id = $1
