UPDATE environments SET deleted_at = now(), version = version + 1, updated_at = now() WHERE id = $1
