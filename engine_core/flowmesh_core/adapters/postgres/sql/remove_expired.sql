-- $1 seconds.
WITH removed AS (
    DELETE FROM flowmesh.member
    WHERE lease_until < clock_timestamp() - make_interval(secs => $1)
    RETURNING 1
)
SELECT count(*) FROM removed
