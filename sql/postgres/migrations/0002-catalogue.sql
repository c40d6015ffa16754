-- Models, nodes, routes and where nodes can run. Prices are integer micro-dollars (per million tokens, per hour).

CREATE TABLE models (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  family text NOT NULL CHECK (family <> ''),
  size text,
  type text NOT NULL CHECK (type IN ('chat', 'completion', 'embedding')),
  context_length integer NOT NULL CHECK (context_length > 0),
  vram_required_gb double precision NOT NULL CHECK (vram_required_gb >= 0),
  price_input_micros bigint NOT NULL CHECK (price_input_micros >= 0),
  price_output_micros bigint NOT NULL CHECK (price_output_micros >= 0),
  price_cached_input_micros bigint CHECK (price_cached_input_micros >= 0),
  tokens_per_second_capacity double precision CHECK (tokens_per_second_capacity > 0),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'deprecated', 'beta')),
  metadata jsonb NOT NULL DEFAULT '{}',
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX models_created_at ON models (created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- Every name a model answers to, its own and its aliases: one table, so that they share one uniqueness.
CREATE TABLE model_names (
  name text PRIMARY KEY CHECK (name <> ''),
  model_id uuid NOT NULL REFERENCES models,
  is_alias boolean NOT NULL
);
CREATE UNIQUE INDEX model_names_own ON model_names (model_id) WHERE NOT is_alias;
CREATE INDEX model_names_model ON model_names (model_id);

-- Names of the models that still exist; null (every model) stays null.
CREATE FUNCTION names_of_models(ids uuid[]) RETURNS text[] STABLE LANGUAGE sql AS $$
  SELECT CASE WHEN ids IS NOT NULL THEN
    ARRAY (SELECT name FROM models WHERE id = ANY (ids) AND deleted_at IS NULL ORDER BY name)
  END
$$;

CREATE TABLE regions (
  id uuid PRIMARY KEY,
  provider text NOT NULL CHECK (provider <> ''),
  code text NOT NULL CHECK (code <> ''),
  name text NOT NULL,
  price_multiplier double precision NOT NULL DEFAULT 1 CHECK (price_multiplier > 0),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider, code)
);
INSERT INTO regions (id, provider, code, name)
VALUES ('01890000-0000-7000-8000-000000000001', 'local', 'local', 'This machine');

CREATE TABLE instance_types (
  id uuid PRIMARY KEY,
  provider text NOT NULL CHECK (provider <> ''),
  name text NOT NULL CHECK (name <> ''),
  vcpus integer NOT NULL CHECK (vcpus > 0),
  memory_gb double precision NOT NULL CHECK (memory_gb > 0),
  gpu_model text,
  gpu_count integer NOT NULL DEFAULT 0 CHECK (gpu_count >= 0),
  gpu_memory_gb double precision CHECK (gpu_memory_gb > 0),
  price_on_demand_micros bigint CHECK (price_on_demand_micros >= 0),
  price_spot_micros bigint CHECK (price_spot_micros >= 0),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider, name)
);

CREATE TABLE deployments (
  id uuid PRIMARY KEY,
  model_id uuid NOT NULL REFERENCES models,
  provider text NOT NULL CHECK (provider <> ''),
  region_id uuid REFERENCES regions,
  instance_type_id uuid REFERENCES instance_types,
  spec jsonb NOT NULL DEFAULT '{}',
  auto_scaling jsonb,
  target_node_count integer NOT NULL CHECK (target_node_count >= 0),
  status text NOT NULL CHECK (
    status IN ('launching', 'active', 'scaling', 'draining', 'paused', 'terminated', 'failed')
  ),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deployments_model ON deployments (model_id);

CREATE TABLE nodes (
  id uuid PRIMARY KEY,
  cluster_name text NOT NULL CHECK (cluster_name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  model_id uuid NOT NULL REFERENCES models,
  deployment_id uuid REFERENCES deployments,
  provider text NOT NULL CHECK (provider <> ''),
  region text,
  instance_type_id uuid REFERENCES instance_types,
  endpoint_url text NOT NULL, -- scheme://host:port, the API under /v1
  upstream_model text NOT NULL CHECK (upstream_model <> ''),
  engine text NOT NULL CHECK (engine IN ('vllm', 'sglang', 'llama-cpp', 'openai', 'simulated')),
  api_key text, -- sent to the node as a bearer token, shown to nobody
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  max_concurrency integer CHECK (max_concurrency > 0),
  price_per_hour_micros bigint CHECK (price_per_hour_micros >= 0),
  status text NOT NULL CHECK (
    status IN ('launching', 'active', 'draining', 'unhealthy', 'terminating', 'terminated', 'failed')
  ),
  status_changed_at timestamptz NOT NULL DEFAULT now(),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
-- A terminated node's name may be taken again.
CREATE UNIQUE INDEX nodes_cluster_name ON nodes (cluster_name) WHERE status <> 'terminated';
CREATE INDEX nodes_any_cluster_name ON nodes (cluster_name, created_at DESC);
CREATE INDEX nodes_model ON nodes (model_id) WHERE status <> 'terminated';
CREATE INDEX nodes_created_at ON nodes (created_at DESC, id DESC);

-- A model with no row here has the route of defaults.
CREATE TABLE routing_configs (
  model_id uuid PRIMARY KEY REFERENCES models,
  strategy text NOT NULL CHECK (strategy IN ('round-robin', 'least-latency', 'least-connections', 'weighted')),
  health_interval_seconds double precision NOT NULL CHECK (health_interval_seconds > 0),
  health_timeout_seconds double precision NOT NULL CHECK (health_timeout_seconds > 0),
  unhealthy_threshold integer NOT NULL CHECK (unhealthy_threshold > 0),
  healthy_threshold integer NOT NULL CHECK (healthy_threshold > 0),
  connection_timeout_ms integer NOT NULL CHECK (connection_timeout_ms > 0),
  first_token_timeout_ms integer NOT NULL CHECK (first_token_timeout_ms > 0),
  idle_timeout_ms integer NOT NULL CHECK (idle_timeout_ms > 0),
  node_weights jsonb NOT NULL DEFAULT '{}',
  allowed_body_fields text[] NOT NULL DEFAULT '{}',
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
