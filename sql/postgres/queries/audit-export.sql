-- $1 to $8 as in audit-list; $9 and $10 time and id of the last entry that was given (null: from the newest on);
-- $11 most entries, $12 most bytes of before and after, beyond the first entry.
WITH following AS (
  SELECT id, at, actor, action, target_type, target_id, tenant_id, before, after, request_id, address
  FROM audit_log
  WHERE ($1::text IS NULL OR actor = $1)
    AND ($2::text IS NULL OR action = $2)
    AND ($3::text IS NULL OR target_type = $3)
    AND ($4::text IS NULL OR target_id = $4)
    AND ($5::uuid IS NULL OR tenant_id = $5)
    AND ($6::timestamptz IS NULL OR at >= $6)
    AND ($7::timestamptz IS NULL OR at < $7)
    AND ($8::text IS NULL OR position(
      lower($8) IN lower(concat_ws(' ', actor, action, target_type, target_id, request_id, address, before, after))
    ) > 0)
    AND ($9::timestamptz IS NULL OR (at, id) < ($9, $10::uuid))
  ORDER BY at DESC, id DESC LIMIT $11::int
), weighed AS (
  SELECT *, sum(length(concat(before, after))) OVER (ORDER BY at DESC, id DESC) AS bytes,
    row_number() OVER (ORDER BY at DESC, id DESC) AS place
  FROM following
)
SELECT id, at, at::text AS exact_at, actor, action, target_type, target_id, tenant_id, before, after, request_id, address
FROM weighed WHERE place = 1 OR bytes <= $12::bigint
ORDER BY at DESC, id DESC
