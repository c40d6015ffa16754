-- $1 digest. Notes the use, once a minute at most; a row that somebody else is just changing is not waited for.
WITH found AS (
  SELECT id, name, scope, last_used_at FROM admin_tokens
  WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
), due AS (
  SELECT id FROM admin_tokens
  WHERE id IN (SELECT id FROM found WHERE last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
  FOR UPDATE SKIP LOCKED
), used AS (
  UPDATE admin_tokens SET last_used_at = now() WHERE id IN (SELECT id FROM due)
)
SELECT name, scope FROM found
