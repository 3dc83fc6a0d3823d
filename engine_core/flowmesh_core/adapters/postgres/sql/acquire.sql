-- $1 member, $2 limit. Rows locked by an append in flight are passed by.
WITH free AS MATERIALIZED (
    SELECT candidate.partition
    FROM flowmesh.partition AS candidate
    WHERE EXISTS (
            SELECT FROM flowmesh.member
            WHERE member_id = $1 AND lease_until > clock_timestamp()
        )
        AND NOT EXISTS (
            SELECT FROM flowmesh.member
            WHERE member_id = candidate.owner AND lease_until > clock_timestamp()
        )
    ORDER BY candidate.partition
    LIMIT $2
    FOR UPDATE OF candidate SKIP LOCKED
)
UPDATE flowmesh.partition AS taken
SET owner = $1, epoch = taken.epoch + 1
FROM free
WHERE taken.partition = free.partition
RETURNING taken.partition, taken.epoch
