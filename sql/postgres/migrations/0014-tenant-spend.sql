-- What tenants with a budget have spent in a calendar month (UTC), as ClickHouse has it; the leader writes it, proxies
-- read it. The month comes first in the key: what is read is one month of all tenants.
CREATE TABLE tenant_spend (
  month date NOT NULL CHECK (extract(day FROM month) = 1),
  tenant_id uuid NOT NULL REFERENCES tenants,
  spent_nanos bigint NOT NULL CHECK (spent_nanos >= 0), -- nano-dollars
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (month, tenant_id)
);
