-- $1 partitions, $2 epochs, $3 member,
-- $4 namespaces, $5 execution ids, $6 first and $7 last sequences, $8 schema version, $9 bodies,
-- and of the executions whose record changes: $10 namespaces, $11 ids, $12 statuses,
-- $13 start times, $14 close times, $15 failures (null leaves as it is).
--
-- The share lock makes a takeover wait, or pass by, until this commits; an
-- append that itself waited sees the new epoch, and writes nothing. Locks are
-- taken in the order of partitions, everywhere.
WITH fence AS MATERIALIZED (
    SELECT held.partition
    FROM flowmesh.partition AS held
    JOIN unnest($1::integer[], $2::bigint[]) AS lease (partition, epoch)
        ON held.partition = lease.partition AND held.epoch = lease.epoch
    WHERE held.owner = $3
    ORDER BY held.partition
    FOR SHARE OF held
), intact AS MATERIALIZED (
    SELECT count(*) = cardinality($1::integer[]) AS holds FROM fence
), written AS (
    INSERT INTO flowmesh.history
        (namespace, execution_id, first_sequence, last_sequence, schema_version, body)
    SELECT row.namespace, row.execution_id, row.first_sequence, row.last_sequence, $8, row.body
    FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $9::bytea[])
        AS row (namespace, execution_id, first_sequence, last_sequence, body)
    WHERE (SELECT holds FROM intact)
), changed AS (
    UPDATE flowmesh.execution AS execution
    SET status = change.status,
        started_at = coalesce(change.started_at, execution.started_at),
        closed_at = coalesce(change.closed_at, execution.closed_at),
        failure = coalesce(change.failure, execution.failure)
    FROM unnest($10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bytea[])
        AS change (namespace, execution_id, status, started_at, closed_at, failure)
    WHERE execution.namespace = change.namespace
        AND execution.execution_id = change.execution_id
        AND (SELECT holds FROM intact)
)
SELECT partition FROM fence
