DELETE FROM change_log WHERE at < now() - make_interval(secs => $1::float8)
