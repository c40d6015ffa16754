-- Deployments that something may have to be done for.
SELECT id FROM deployments WHERE status <> 'terminated' ORDER BY id
