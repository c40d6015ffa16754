-- What a deployment remembers of its launches, its row locked, and the time by which its nodes are planned.
SELECT launches, shortage, retry, now() AS now FROM deployments WHERE id = $1 FOR UPDATE
