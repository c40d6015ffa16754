-- A route that names a model which is deleted or of another type than the route's own. $1 one of the two models, null: any
SELECT m.name AS model, t.name AS target, r.use, m.type AS model_type, t.type AS target_type,
  t.deleted_at IS NOT NULL AS is_deleted
FROM route_models r
JOIN models m ON m.id = r.model_id
JOIN models t ON t.id = r.target_id
WHERE m.deleted_at IS NULL AND (t.deleted_at IS NOT NULL OR t.type <> m.type)
  AND ($1::uuid IS NULL OR $1 IN (r.model_id, r.target_id))
ORDER BY m.name, r.use, r.position
LIMIT 1
