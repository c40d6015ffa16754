-- What nodes cost by the hour, from when on. Each price of a node's row is kept, whoever set it, so that what a node cost
-- is known of the past as well.

CREATE TABLE node_prices (
  node_id uuid NOT NULL REFERENCES nodes,
  from_at timestamptz NOT NULL,
  price_per_hour_micros bigint CHECK (price_per_hour_micros >= 0), -- null: not known
  source text NOT NULL CHECK (source IN ('catalogue', 'operator', 'launcher')), -- who says so
  PRIMARY KEY (node_id, from_at)
);

INSERT INTO node_prices (node_id, from_at, price_per_hour_micros, source)
SELECT id, created_at, price_per_hour_micros, CASE launcher WHEN 'static' THEN 'operator' ELSE 'catalogue' END
FROM nodes WHERE price_per_hour_micros IS NOT NULL;

CREATE FUNCTION note_node_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO node_prices (node_id, from_at, price_per_hour_micros, source)
  VALUES (
    NEW.id, CASE TG_OP WHEN 'INSERT' THEN NEW.created_at ELSE now() END, NEW.price_per_hour_micros,
    CASE NEW.launcher WHEN 'static' THEN 'operator' ELSE 'catalogue' END
  )
  ON CONFLICT (node_id, from_at) DO UPDATE
    SET price_per_hour_micros = excluded.price_per_hour_micros, source = excluded.source;
  RETURN NULL;
END
$$;
CREATE TRIGGER nodes_first_price AFTER INSERT ON nodes
  FOR EACH ROW WHEN (NEW.price_per_hour_micros IS NOT NULL) EXECUTE FUNCTION note_node_price();
CREATE TRIGGER nodes_price AFTER UPDATE OF price_per_hour_micros ON nodes
  FOR EACH ROW WHEN (OLD.price_per_hour_micros IS DISTINCT FROM NEW.price_per_hour_micros)
  EXECUTE FUNCTION note_node_price();
