-- $1 model, $2 the uses that its route names no models for any more
DELETE FROM route_models WHERE model_id = $1 AND use = ANY ($2::text[])
