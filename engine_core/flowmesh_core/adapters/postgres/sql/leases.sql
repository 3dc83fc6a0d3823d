SELECT member_id, extract(epoch FROM lease_until - clock_timestamp())::float8 AS seconds
FROM flowmesh.member
WHERE lease_until > clock_timestamp()
