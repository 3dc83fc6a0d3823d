SELECT member_id, roles, address, oldest_format, newest_format
FROM flowmesh.member
WHERE lease_until > clock_timestamp()
ORDER BY member_id
