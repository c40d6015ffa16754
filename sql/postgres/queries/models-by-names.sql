-- Which models names or aliases stand for.
SELECT name, model_id FROM model_names WHERE name = ANY ($1::text[])
