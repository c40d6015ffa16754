-- Named admin tokens: a name is free again when its token is revoked; the root token is never a row. The audit log is
-- added to and never changed.

ALTER TABLE admin_tokens
  DROP CONSTRAINT admin_tokens_name_key,
  ADD CONSTRAINT admin_tokens_not_root CHECK (lower(name) <> 'root'),
  ADD COLUMN prefix text NOT NULL,
  ADD COLUMN expires_at timestamptz,
  ADD COLUMN last_used_at timestamptz;
CREATE UNIQUE INDEX admin_tokens_name ON admin_tokens (lower(name)) WHERE revoked_at IS NULL;
CREATE INDEX admin_tokens_created_at ON admin_tokens (created_at DESC, id DESC);

-- The app's role has no right to change entries (see src/io/grant-app-role.ts). This holds besides, for every role and
-- whatever else was granted; who owns the table can switch it off, to remove entries that are past their time.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
-- Also where a session plays a replica, which fires no other triggers.
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;

CREATE INDEX audit_log_actor ON audit_log (actor, at DESC, id DESC);
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, at DESC, id DESC) WHERE tenant_id IS NOT NULL;
