-- What the platform has now.
SELECT
  (SELECT count(*) FROM tenants WHERE deleted_at IS NULL) AS total_tenants,
  (SELECT count(*) FROM deployments WHERE status <> 'terminated') AS total_deployments,
  (SELECT count(*) FROM nodes WHERE status NOT IN ('terminated', 'failed')) AS total_nodes
