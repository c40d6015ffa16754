-- Machines that the gateway launches, and what deployments remember of their launches and of their scaling.

-- Whose machines are whose, where installations share a provider's account.
CREATE TABLE installation (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;

-- Which machine a node runs on is settled when it is planned, before any provider hears of it. What was asked for once may
-- exist until `machine_gone_at`: nobody is charged for a machine that no row knows of.
ALTER TABLE nodes
  ADD COLUMN launcher text NOT NULL DEFAULT 'static' CHECK (launcher IN ('static', 'local', 'skypilot')),
  ADD COLUMN machine jsonb, -- src/core/machine.ts; null: registered by hand
  ADD COLUMN generation integer NOT NULL DEFAULT 1, -- of its deployment's settings
  ADD COLUMN launch_asked_at timestamptz, -- the launcher was asked for the machine, or is about to be
  ADD COLUMN drained_at timestamptz, -- nothing is waited for any more: the machine may go
  ADD COLUMN machine_gone_at timestamptz,
  ADD CONSTRAINT nodes_machine_known CHECK ((launcher = 'static') = (machine IS NULL)),
  -- A launched node is over when its machine is.
  ADD CONSTRAINT nodes_machine_gone
    CHECK (launcher = 'static' OR status <> 'terminated' OR machine_gone_at IS NOT NULL);
CREATE INDEX nodes_machines ON nodes (launcher) WHERE launcher <> 'static' AND machine_gone_at IS NULL;

CREATE INDEX jobs_node ON jobs (node_id);

ALTER TABLE deployments
  ADD COLUMN generation integer NOT NULL DEFAULT 1, -- grows with each change of what its nodes run
  ADD COLUMN asleep boolean NOT NULL DEFAULT false, -- no nodes are wanted until a request comes
  ADD COLUMN status_reason text,
  ADD COLUMN retry jsonb, -- launches that failed in a row: src/core/orchestration/retry.ts
  ADD COLUMN launches jsonb NOT NULL DEFAULT '[]', -- how long they took: src/core/scaling/launch-estimate.ts
  ADD COLUMN shortage jsonb, -- of spot machines: src/core/scaling/spot.ts
  ADD COLUMN scaling jsonb; -- what the autoscaler remembers: src/core/scaling/state.ts
