SELECT id, status, stage, progress, detail, error, created_at, finished_at FROM jobs WHERE id = $1 AND kind = 'launch'
