SELECT member_id, roles, address
FROM flowmesh.member
WHERE lease_until > clock_timestamp()
ORDER BY member_id
