-- The own name of the model that a name or alias stands for.
SELECT m.name FROM models m JOIN model_names n ON n.model_id = m.id WHERE n.name = $1
