-- $1 member, $2 seconds.
UPDATE flowmesh.member
SET lease_until = clock_timestamp() + make_interval(secs => $2)
WHERE member_id = $1 AND lease_until > clock_timestamp()
RETURNING 1
