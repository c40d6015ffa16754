-- $1 deployment, $2 why nothing can be launched for it
UPDATE deployments SET retry = $2::jsonb WHERE id = $1
