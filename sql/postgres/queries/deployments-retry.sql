-- $1 deployment, $2 launches that failed; null: none that still say anything
UPDATE deployments SET retry = $2::jsonb WHERE id = $1
