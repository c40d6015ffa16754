-- What an engine loads for a model: its metadata may name it
SELECT name, metadata ->> 'source' AS source FROM models WHERE id = $1
