-- The model that a name or alias stands for, held against deletion while something is attached to it.
SELECT m.id, m.name FROM models m JOIN model_names n ON n.model_id = m.id
WHERE n.name = $1 AND m.deleted_at IS NULL FOR SHARE OF m
