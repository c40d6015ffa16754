-- Models by their names or aliases, held as they are until the transaction ends. $1 the model whose route names them
SELECT n.name AS asked, m.id, m.name, m.type, own.type AS own_type
FROM models m
JOIN model_names n ON n.model_id = m.id
JOIN models own ON own.id = $1
WHERE n.name = ANY ($2::text[]) AND m.deleted_at IS NULL
ORDER BY m.id FOR SHARE OF m
