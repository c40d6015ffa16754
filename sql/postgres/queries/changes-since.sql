-- Changes after version $1; when there are none, one row with the current version alone.
SELECT c.version AS current_version, l.version, l.topic, l.key_digest, l.tenant_id, l.at
FROM change_counter c LEFT JOIN change_log l ON l.version > $1::bigint
ORDER BY l.version
