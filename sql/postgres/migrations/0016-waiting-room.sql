-- The waiting room: requests for a model of which no node serves wait until a deployment has brought one. Proxies hear of
-- what deployments are about to bring; what the autoscaler notes for itself each few seconds is nothing to them.

ALTER TABLE routing_configs
  ADD COLUMN queue_cold_start_max_wait_ms integer NOT NULL DEFAULT 600000
    CHECK (queue_cold_start_max_wait_ms BETWEEN 0 AND 3600000);

CREATE CONSTRAINT TRIGGER deployments_added AFTER INSERT OR DELETE ON deployments
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();
CREATE CONSTRAINT TRIGGER deployments_changed AFTER UPDATE ON deployments
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (
    (OLD.model_id, OLD.status, OLD.asleep, OLD.target_node_count, OLD.launches)
    IS DISTINCT FROM
    (NEW.model_id, NEW.status, NEW.asleep, NEW.target_node_count, NEW.launches)
  ) EXECUTE FUNCTION log_catalogue_change();

-- Whether a node's engine has told its load since it is watched: then none is not known, rather than not told.
ALTER TABLE node_live ADD COLUMN tells_load boolean NOT NULL DEFAULT false;
