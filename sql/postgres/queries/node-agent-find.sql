-- What the node's agent proves itself by; null: it has no token.
SELECT token_digest FROM nodes WHERE id = $1
