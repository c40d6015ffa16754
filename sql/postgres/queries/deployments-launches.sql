-- What a deployment remembers of its launches, its row locked.
SELECT launches, shortage, retry FROM deployments WHERE id = $1 FOR UPDATE
