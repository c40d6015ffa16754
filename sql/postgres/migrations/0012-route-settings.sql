-- A route's settings for sessions, retries, resumed streams and its queue, and the other models that it names. The
-- defaults are those of a model without a row; they stay, so that a worker of the version before can still write rows.

ALTER TABLE routing_configs
  DROP CONSTRAINT routing_configs_strategy_check,
  ADD CONSTRAINT routing_configs_strategy_check CHECK (
    strategy IN ('round-robin', 'least-latency', 'least-connections', 'weighted', 'prefix-affinity')
  ),
  ADD COLUMN sticky_sessions boolean NOT NULL DEFAULT false,
  ADD COLUMN retry_attempts integer NOT NULL DEFAULT 3 CHECK (retry_attempts BETWEEN 1 AND 10),
  ADD COLUMN retry_budget_percent double precision NOT NULL DEFAULT 20
    CHECK (retry_budget_percent BETWEEN 0 AND 100),
  ADD COLUMN hedge_after_ms integer CHECK (hedge_after_ms > 0), -- null: never
  ADD COLUMN resume_streams boolean NOT NULL DEFAULT true,
  ADD COLUMN queue_max_depth integer NOT NULL DEFAULT 1000 CHECK (queue_max_depth BETWEEN 0 AND 100000),
  ADD COLUMN queue_max_wait_ms integer NOT NULL DEFAULT 10000 CHECK (queue_max_wait_ms BETWEEN 0 AND 600000);

-- Models that another model's route names: in turn when none of its own nodes can serve (fallback), for copies of its
-- requests (mirror), for a share of them (split). Models are deleted by a mark, so the foreign keys only see to it that
-- an id is one; what deletes a model or changes its type looks here first, and names of models are held while a route
-- that names them is written. That fallbacks and splits make no loop is up to the writers (see routes-lock-graph.sql).
CREATE TABLE route_models (
  model_id uuid NOT NULL REFERENCES routing_configs,
  use text NOT NULL CHECK (use IN ('fallback', 'mirror', 'split')),
  position smallint NOT NULL CHECK (position >= 0),
  target_id uuid NOT NULL REFERENCES models,
  percent numeric(5, 2),
  PRIMARY KEY (model_id, use, position),
  UNIQUE (model_id, use, target_id),
  CHECK (target_id <> model_id),
  CHECK (use <> 'mirror' OR position = 0),
  CHECK (
    CASE use
      WHEN 'fallback' THEN percent IS NULL
      WHEN 'mirror' THEN percent IS NOT NULL AND percent BETWEEN 0 AND 100
      ELSE percent IS NOT NULL AND percent > 0 AND percent <= 100
    END
  )
);
CREATE INDEX route_models_target ON route_models (target_id);

CREATE CONSTRAINT TRIGGER route_models_changed AFTER INSERT OR UPDATE OR DELETE ON route_models
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue_change();

-- The models that a model's route names, in their order.
CREATE FUNCTION models_of_route(route uuid) RETURNS json STABLE LANGUAGE sql AS $$
  SELECT coalesce(json_agg(json_build_object(
    'use', r.use, 'model_id', r.target_id, 'model', m.name, 'percent', r.percent
  ) ORDER BY r.use, r.position), '[]')
  FROM route_models r JOIN models m ON m.id = r.target_id
  WHERE r.model_id = route
$$;
