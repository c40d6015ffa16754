SELECT n.id, n.status = 'active' AS active, m.tokens_per_second_capacity AS tokens_per_second
FROM nodes n JOIN models m ON m.id = n.model_id
WHERE n.status NOT IN ('terminated', 'failed')
