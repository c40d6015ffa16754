-- $1 model, then one array for each column
INSERT INTO route_models (model_id, use, position, target_id, percent)
SELECT $1, * FROM unnest($2::text[], $3::smallint[], $4::uuid[], $5::numeric[])
