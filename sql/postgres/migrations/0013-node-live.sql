-- What the proxies told of a node lately, as JSON: requests there, averages, breaker. Null: nothing.
ALTER TABLE node_live ADD COLUMN proxies jsonb;
