-- What administration leaves behind: who did what, tokens, remembered replies, background jobs, live node state.

CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,
  action text NOT NULL,
  target_type text NOT NULL,
  target_id text NOT NULL,
  tenant_id uuid,
  before jsonb,
  after jsonb,
  request_id text NOT NULL,
  address text NOT NULL
);
CREATE INDEX audit_log_at ON audit_log (at DESC, id DESC);
CREATE INDEX audit_log_target ON audit_log (target_type, target_id, at DESC);

CREATE TABLE admin_tokens (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name <> ''),
  digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
  scope text NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A POST's first successful reply. `key_digest` is of endpoint, credential and Idempotency-Key; `reply` is
-- encrypted under a key derived from the two latter, neither of which is stored.
CREATE TABLE idempotency_keys (
  key_digest bytea PRIMARY KEY CHECK (octet_length(key_digest) = 32),
  body_digest bytea NOT NULL CHECK (octet_length(body_digest) = 32),
  reply bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  node_id uuid REFERENCES nodes,
  deployment_id uuid REFERENCES deployments,
  status text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
  stage text,
  progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
  detail jsonb NOT NULL DEFAULT '{}',
  error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
CREATE INDEX jobs_open ON jobs (created_at) WHERE status IN ('pending', 'running');

-- What the leader saw of each node a moment ago, where there is no Redis. Worth nothing after a crash.
CREATE UNLOGGED TABLE node_live (
  node_id uuid PRIMARY KEY,
  healthy boolean NOT NULL,
  running integer,
  waiting integer,
  kv_cache_usage double precision,
  observed_at timestamptz NOT NULL
);
