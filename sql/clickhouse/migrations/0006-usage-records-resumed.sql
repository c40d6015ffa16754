-- How often a stream broke at a node and went on at another one. Records of before were never resumed.
ALTER TABLE usage_records ADD COLUMN IF NOT EXISTS resumed UInt16 DEFAULT 0 AFTER attempts
