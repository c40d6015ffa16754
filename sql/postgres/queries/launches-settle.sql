-- Ends a launch that is through: $1 job, $2 when
UPDATE jobs
SET status = 'succeeded', stage = 'active', progress = 100, updated_at = $2, finished_at = $2, detail = jsonb_set(
  detail, '{stages}', coalesce(detail -> 'stages', '[]') || jsonb_build_object('stage', 'active', 'at',
    to_char($2::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
)
WHERE id = $1 AND status IN ('pending', 'running') RETURNING id
