-- $1 deployment, $2 launches, $3 shortage of spot machines, $4 launches that failed
UPDATE deployments SET launches = $2::jsonb, shortage = $3::jsonb, retry = $4::jsonb WHERE id = $1
