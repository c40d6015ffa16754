UPDATE nodes SET status = $2, status_changed_at = now(), version = version + 1, updated_at = now() WHERE id = $1
