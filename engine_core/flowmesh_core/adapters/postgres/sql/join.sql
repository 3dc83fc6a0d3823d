-- $1 member, $2 roles, $3 address, $4 seconds, $5 and $6 the formats it reads. Returns the time.
-- A repeat renews; an expired member stays expired.
WITH joined AS (
    INSERT INTO flowmesh.member AS present (member_id, roles, address, lease_until, oldest_format, newest_format)
    VALUES ($1, $2::text[], $3, clock_timestamp() + make_interval(secs => $4), $5, $6)
    ON CONFLICT (member_id) DO UPDATE
    SET roles = excluded.roles, address = excluded.address, lease_until = excluded.lease_until
    WHERE present.lease_until > clock_timestamp()
)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
