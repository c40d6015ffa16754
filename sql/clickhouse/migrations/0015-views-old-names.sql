-- See 0014.
RENAME TABLE IF EXISTS usage_by_minute_view_renamed TO usage_by_minute_view,
    IF EXISTS usage_by_hour_view_renamed TO usage_by_hour_view
