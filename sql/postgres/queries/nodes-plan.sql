-- A node that is to be launched, and the job of its launch. $1 node, $2 name, $3 model, $4 deployment, $5 provider,
-- $6 region, $7 instance type, $8 the model's name on it, $9 engine, $10 key of its engine, $11 price, $12 launcher,
-- $13 machine, $14 generation, $15 who, $16 why, $17 job
WITH added AS (
  INSERT INTO nodes (
    id, cluster_name, model_id, deployment_id, provider, region, instance_type_id, upstream_model, engine, api_key,
    price_per_hour_micros, launcher, machine, generation, status
  )
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, 'launching')
  ON CONFLICT DO NOTHING RETURNING id, deployment_id
), event AS (
  INSERT INTO node_events (node_id, event, status, actor, message) SELECT id, 'status', 'launching', $15, $16 FROM added
)
INSERT INTO jobs (id, kind, node_id, deployment_id, status, stage, detail)
SELECT $17, 'launch', id, deployment_id, 'pending', 'queued',
  jsonb_build_object('stages', jsonb_build_array(jsonb_build_object(
    'stage', 'queued', 'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))))
FROM added
RETURNING id
