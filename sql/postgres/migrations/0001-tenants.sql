-- Tenants, their environments and API keys. Ids are UUIDv7, made by the application.
-- `version` counts a row's changes (for ETags); limits of null mean unlimited.

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  email text NOT NULL CHECK (email <> ''),
  tier text NOT NULL CHECK (tier IN ('free', 'starter', 'pro', 'enterprise')),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
  rate_limit_per_minute integer CHECK (rate_limit_per_minute > 0),
  tokens_per_minute bigint CHECK (tokens_per_minute > 0),
  max_concurrency integer CHECK (max_concurrency > 0),
  max_monthly_spend_micros bigint CHECK (max_monthly_spend_micros >= 0),
  allowed_model_ids uuid[],
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE UNIQUE INDEX tenants_email ON tenants (lower(email)) WHERE deleted_at IS NULL;
CREATE INDEX tenants_created_at ON tenants (created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- The environment named `production` holds clsk_live_ keys, every other one clsk_test_ keys.
CREATE TABLE environments (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  rate_limit_per_minute integer CHECK (rate_limit_per_minute > 0),
  tokens_per_minute bigint CHECK (tokens_per_minute > 0),
  max_concurrency integer CHECK (max_concurrency > 0),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (id, tenant_id)
);
CREATE UNIQUE INDEX environments_name ON environments (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  environment_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32), -- SHA-256 of the key, which is stored nowhere
  prefix text NOT NULL CHECK (length(prefix) = 16),
  role text NOT NULL CHECK (role IN ('admin', 'developer', 'read-only')),
  allowed_model_ids uuid[],
  rate_limit_per_minute integer CHECK (rate_limit_per_minute > 0),
  tokens_per_minute bigint CHECK (tokens_per_minute > 0),
  max_concurrency integer CHECK (max_concurrency > 0),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (environment_id, tenant_id) REFERENCES environments (id, tenant_id)
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, created_at DESC, id DESC);
CREATE INDEX api_keys_environment ON api_keys (environment_id);
