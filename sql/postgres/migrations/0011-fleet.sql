-- Agents on nodes, what happened to nodes, deployments.

-- A node that is being launched has no address yet: its agent brings it. `token_digest` is SHA-256 of the token that
-- the agent presents. A machine that will be taken away (a spot node) says so: `terminates_at`.
ALTER TABLE nodes
  ALTER COLUMN endpoint_url DROP NOT NULL,
  ADD COLUMN token_digest bytea UNIQUE CHECK (octet_length(token_digest) = 32),
  ADD COLUMN engine_version text CHECK (engine_version <> ''),
  ADD COLUMN terminates_at timestamptz,
  ADD CONSTRAINT nodes_endpoint_url_known
    CHECK (endpoint_url IS NOT NULL OR status NOT IN ('active', 'draining', 'unhealthy'));
CREATE INDEX nodes_deployment ON nodes (deployment_id) WHERE deployment_id IS NOT NULL AND status <> 'terminated';

-- What agents last said of their nodes. Not in `nodes`, each change of which makes every proxy load its routes anew.
CREATE TABLE node_heartbeats (
  node_id uuid PRIMARY KEY REFERENCES nodes,
  at timestamptz NOT NULL,
  running integer CHECK (running >= 0),
  waiting integer CHECK (waiting >= 0),
  kv_cache_usage double precision CHECK (kv_cache_usage BETWEEN 0 AND 1),
  gpu_utilization double precision CHECK (gpu_utilization BETWEEN 0 AND 1),
  gpu_memory_used_gb double precision CHECK (gpu_memory_used_gb >= 0)
);

-- What happened to a node. A row is added while the node's own row is locked, so that a node's numbers grow in the
-- order of commits and nobody who reads on from a number misses one.
CREATE TABLE node_events (
  sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id uuid NOT NULL REFERENCES nodes,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  event text NOT NULL CHECK (event IN ('registered', 'changed', 'status', 'health', 'warning')),
  status text NOT NULL, -- the node's, after it
  actor text NOT NULL,
  message text
);
CREATE INDEX node_events_node ON node_events (node_id, sequence DESC);

-- Of each node the last 500 are kept.
CREATE FUNCTION bound_node_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM node_events WHERE node_id = NEW.node_id AND sequence <= (
    SELECT sequence FROM node_events WHERE node_id = NEW.node_id ORDER BY sequence DESC OFFSET 500 LIMIT 1
  );
  RETURN NULL;
END
$$;
CREATE TRIGGER node_events_bounded AFTER INSERT ON node_events
  FOR EACH ROW EXECUTE FUNCTION bound_node_events();

CREATE INDEX deployments_created_at ON deployments (created_at DESC, id DESC);
CREATE INDEX deployments_unsettled ON deployments (id) WHERE status IN ('launching', 'scaling', 'draining');
