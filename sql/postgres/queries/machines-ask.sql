-- A node's machine is about to be asked for: $1 node, $2 digest of the token that its agent gets, $3 when, $4 when it was asked
-- for before. Nothing is returned when somebody else was quicker, or it is not wanted any more.
UPDATE nodes SET token_digest = $2, launch_asked_at = $3
WHERE id = $1 AND status = 'launching' AND launch_asked_at IS NOT DISTINCT FROM $4::timestamptz RETURNING id
