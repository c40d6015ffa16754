-- Names of machines of launcher $1 that are wanted, or not known to be gone.
SELECT cluster_name FROM nodes WHERE launcher = $1 AND machine_gone_at IS NULL
