-- Nodes and deployments that are over forget the instance type.
WITH nodes_forget AS (
  UPDATE nodes SET instance_type_id = NULL WHERE instance_type_id = $1 AND status = 'terminated'
), deployments_forget AS (
  UPDATE deployments SET instance_type_id = NULL WHERE instance_type_id = $1 AND status = 'terminated'
)
DELETE FROM instance_types WHERE id = $1
