-- A node of a server that already runs, registered by $13.
WITH added AS (
  INSERT INTO nodes (
    id, cluster_name, model_id, endpoint_url, upstream_model, provider, region, engine, weight, max_concurrency,
    api_key, price_per_hour_micros, status
  )
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'active') RETURNING id, status
)
INSERT INTO node_events (node_id, event, status, actor) SELECT id, 'registered', status, $13 FROM added
