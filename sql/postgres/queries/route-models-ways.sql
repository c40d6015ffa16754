-- From which model to which other one requests may go.
SELECT DISTINCT m.name AS model, t.name AS target
FROM route_models r
JOIN models m ON m.id = r.model_id
JOIN models t ON t.id = r.target_id
WHERE r.use <> 'mirror' AND m.deleted_at IS NULL
ORDER BY 1, 2
