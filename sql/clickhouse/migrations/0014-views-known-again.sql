-- A view whose query was exchanged counts, until ClickHouse is started again, as another one for the deduplication of its
-- rollup: a batch in flight when ClickHouse died was in there twice. A new name ends that, at once and for any insert; 0015
-- gives the old ones back. Whoever exchanges a view's query does this, too.
RENAME TABLE IF EXISTS usage_by_minute_view TO usage_by_minute_view_renamed,
    IF EXISTS usage_by_hour_view TO usage_by_hour_view_renamed
