-- $1 deployment, $2 its state, $3 why. Its version says whether the state has changed.
UPDATE deployments
SET status = $2, status_reason = $3, version = version + (status <> $2)::int,
  updated_at = CASE WHEN status = $2 THEN updated_at ELSE now() END
WHERE id = $1 AND (status, status_reason) IS DISTINCT FROM ($2, $3)
