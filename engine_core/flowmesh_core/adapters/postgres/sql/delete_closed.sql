-- $1 closed before, $2 limit. Two that delete at once pass each other by.
WITH old AS MATERIALIZED (
    SELECT namespace, execution_id
    FROM flowmesh.execution
    WHERE closed_at < $1
    ORDER BY closed_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), histories AS (
    DELETE FROM flowmesh.history AS history
    USING old
    WHERE history.namespace = old.namespace AND history.execution_id = old.execution_id
), requests AS (
    DELETE FROM flowmesh.request
    WHERE ctid = ANY (ARRAY(
        SELECT answered.ctid
        FROM old
        CROSS JOIN LATERAL (
            SELECT request.ctid
            FROM flowmesh.request AS request
            WHERE request.namespace || '' = old.namespace AND request.answer = old.execution_id
            OFFSET 0
        ) AS answered
    ))
), removed AS (
    DELETE FROM flowmesh.execution AS execution
    USING old
    WHERE execution.namespace = old.namespace AND execution.execution_id = old.execution_id
    RETURNING 1
)
SELECT count(*) FROM removed
