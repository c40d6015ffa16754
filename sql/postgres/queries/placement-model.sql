-- What an engine loads for a model (its metadata may name it), and what that needs
SELECT name, metadata ->> 'source' AS source, size, vram_required_gb FROM models WHERE id = $1
