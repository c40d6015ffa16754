-- $1 model, $2 its name, $3 its aliases
INSERT INTO model_names (name, model_id, is_alias)
SELECT $2::text, $1::uuid, false UNION ALL SELECT unnest($3::text[]), $1::uuid, true
