-- A terminated node has no weight left in its model's route, whoever terminates it; its name may be taken again.

CREATE FUNCTION drop_node_weight() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE routing_configs
  SET node_weights = node_weights - NEW.cluster_name, version = version + 1, updated_at = now()
  WHERE model_id = NEW.model_id AND node_weights ? NEW.cluster_name;
  RETURN NULL;
END
$$;

CREATE TRIGGER nodes_terminated AFTER UPDATE OF status ON nodes FOR EACH ROW
  WHEN (NEW.status = 'terminated' AND OLD.status <> 'terminated')
  EXECUTE FUNCTION drop_node_weight();

-- Those of nodes that were terminated before.
UPDATE routing_configs r
SET node_weights = kept.weights, version = version + 1, updated_at = now()
FROM (
  SELECT c.model_id, coalesce(jsonb_object_agg(w.key, w.value) FILTER (WHERE n.id IS NOT NULL), '{}') AS weights
  FROM routing_configs c
  CROSS JOIN LATERAL jsonb_each(c.node_weights) w
  LEFT JOIN nodes n ON n.model_id = c.model_id AND n.cluster_name = w.key AND n.status <> 'terminated'
  GROUP BY c.model_id
) kept
WHERE kept.model_id = r.model_id AND kept.weights <> r.node_weights;
