-- $1 member, $2 partitions, $3 epochs.
WITH held AS MATERIALIZED (
    SELECT candidate.partition
    FROM flowmesh.partition AS candidate
    JOIN unnest($2::integer[], $3::bigint[]) AS lease (partition, epoch)
        ON candidate.partition = lease.partition AND candidate.epoch = lease.epoch
    WHERE candidate.owner = $1
    ORDER BY candidate.partition
    FOR UPDATE OF candidate
)
UPDATE flowmesh.partition AS released
SET owner = NULL
FROM held
WHERE released.partition = held.partition
