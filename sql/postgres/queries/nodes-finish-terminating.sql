-- $1: nodes on which nothing runs. A proxy that has not heard of the termination yet gets a few seconds; a node that
-- does not say what it runs gets ten minutes.
UPDATE nodes
SET status = 'terminated', status_changed_at = now(), version = version + 1, updated_at = now()
WHERE status = 'terminating' AND (
  (id = ANY ($1::uuid[]) AND status_changed_at < now() - interval '3 seconds')
  OR status_changed_at < now() - interval '10 minutes'
)
