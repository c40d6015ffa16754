-- The change feed: what proxies must forget or reload, numbered without gaps in the order of commits.
--
-- The triggers are deferred, so that the one row of change_counter is locked for the moment of the commit alone:
-- changes queue there for as little as can be, and a transaction that waits for another's rows never holds it.

CREATE TABLE change_counter (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version bigint NOT NULL
);
INSERT INTO change_counter (version) VALUES (0);

CREATE TABLE change_log (
  version bigint PRIMARY KEY,
  topic text NOT NULL CHECK (topic IN ('key', 'tenant', 'catalogue')),
  key_digest bytea CHECK ((topic = 'key') = (key_digest IS NOT NULL)),
  tenant_id uuid CHECK ((topic = 'tenant') = (tenant_id IS NOT NULL)),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX change_log_at ON change_log (at);

CREATE FUNCTION log_change(topic text, key_digest bytea, tenant_id uuid) RETURNS void LANGUAGE sql AS $$
  WITH next AS (UPDATE change_counter SET version = version + 1 RETURNING version)
  INSERT INTO change_log (version, topic, key_digest, tenant_id) SELECT version, $1, $2, $3 FROM next
$$;

CREATE FUNCTION log_tenant_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_change('tenant', NULL, COALESCE(NEW.id, OLD.id));
  RETURN NULL;
END
$$;

CREATE FUNCTION log_environment_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_change('tenant', NULL, COALESCE(NEW.tenant_id, OLD.tenant_id));
  RETURN NULL;
END
$$;

CREATE FUNCTION log_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_change('key', COALESCE(NEW.digest, OLD.digest), NULL);
  RETURN NULL;
END
$$;

-- At commit every change of the transaction is there already, so the first row speaks for all.
CREATE FUNCTION log_catalogue_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('crosslogic.catalogue_logged', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM set_config('crosslogic.catalogue_logged', pg_current_xact_id()::text, true);
    PERFORM log_change('catalogue', NULL, NULL);
  END IF;
  RETURN NULL;
END
$$;

-- Cached keys hold the names of the models that they may use.
CREATE FUNCTION log_model_name_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_change('tenant', NULL, id) FROM tenants
  WHERE deleted_at IS NULL AND (
    OLD.id = ANY (allowed_model_ids)
    OR EXISTS (SELECT FROM api_keys k WHERE k.tenant_id = tenants.id AND OLD.id = ANY (k.allowed_model_ids))
  );
  RETURN NULL;
END
$$;

-- Environments and keys are new to every cache when they are inserted, but a proxy may remember that a key
-- was unknown a moment ago: hence INSERT on api_keys as well.
CREATE CONSTRAINT TRIGGER tenants_changed AFTER UPDATE OR DELETE ON tenants
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_tenant_change();
CREATE CONSTRAINT TRIGGER environments_changed AFTER UPDATE OR DELETE ON environments
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_environment_change();
CREATE CONSTRAINT TRIGGER api_keys_added AFTER INSERT OR DELETE ON api_keys
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_key_change();
CREATE CONSTRAINT TRIGGER api_keys_changed AFTER UPDATE ON api_keys
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (
    (OLD.environment_id, OLD.name, OLD.digest, OLD.role, OLD.allowed_model_ids, OLD.rate_limit_per_minute,
     OLD.tokens_per_minute, OLD.max_concurrency, OLD.expires_at, OLD.revoked_at)
    IS DISTINCT FROM
    (NEW.environment_id, NEW.name, NEW.digest, NEW.role, NEW.allowed_model_ids, NEW.rate_limit_per_minute,
     NEW.tokens_per_minute, NEW.max_concurrency, NEW.expires_at, NEW.revoked_at)
  ) EXECUTE FUNCTION log_key_change();

CREATE CONSTRAINT TRIGGER models_changed AFTER INSERT OR UPDATE OR DELETE ON models
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();
CREATE CONSTRAINT TRIGGER models_renamed AFTER UPDATE ON models
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((OLD.name, OLD.deleted_at) IS DISTINCT FROM (NEW.name, NEW.deleted_at))
  EXECUTE FUNCTION log_model_name_change();
CREATE CONSTRAINT TRIGGER model_names_changed AFTER INSERT OR UPDATE OR DELETE ON model_names
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();
CREATE CONSTRAINT TRIGGER nodes_changed AFTER INSERT OR UPDATE OR DELETE ON nodes
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();
CREATE CONSTRAINT TRIGGER routing_configs_changed AFTER INSERT OR UPDATE OR DELETE ON routing_configs
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();
