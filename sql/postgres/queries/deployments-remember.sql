-- $1 deployment, $2 launches, $3 shortage of spot machines, $4 launches that failed; null: one has gone through, so that one
-- which had been given up goes on.
UPDATE deployments
SET launches = $2::jsonb, shortage = $3::jsonb, retry = $4::jsonb,
  status = CASE WHEN $4::jsonb IS NULL AND status = 'failed' THEN 'scaling' ELSE status END,
  version = version + ($4::jsonb IS NULL AND status = 'failed')::int
WHERE id = $1
