DELETE FROM regions WHERE id = $1
