-- $1 member, $2 seconds. Returns the newest format that every live member reads, and the time.
UPDATE flowmesh.member
SET lease_until = clock_timestamp() + make_interval(secs => $2)
WHERE member_id = $1 AND lease_until > clock_timestamp()
RETURNING (SELECT min(newest_format) FROM flowmesh.member WHERE lease_until > clock_timestamp())
        AS newest_format,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now
