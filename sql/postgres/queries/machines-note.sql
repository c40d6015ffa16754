-- How far a launch has come: $1 job, $2 stage, $3 progress, $4 when
UPDATE jobs
SET status = 'running', stage = $2, progress = $3, updated_at = $4,
  detail = CASE WHEN stage IS NOT DISTINCT FROM $2 THEN detail ELSE jsonb_set(
    detail, '{stages}', coalesce(detail -> 'stages', '[]') || jsonb_build_object('stage', $2::text, 'at',
      to_char($4::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
  ) END
WHERE id = $1 AND status IN ('pending', 'running')
