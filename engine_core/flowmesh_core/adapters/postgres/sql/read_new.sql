-- $1 namespaces, $2 execution ids, $3 after these sequences, $4 at least so many events of each.
-- For each what read.sql returns.
SELECT wanted.namespace, wanted.execution_id, page.first_sequence, page.schema_version, page.body
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (namespace, execution_id, after)
CROSS JOIN LATERAL (
    SELECT first_sequence, schema_version, body
    FROM flowmesh.history
    WHERE history.namespace = wanted.namespace
        AND history.execution_id = wanted.execution_id
        AND first_sequence >= coalesce((
            SELECT max(before.first_sequence)
            FROM flowmesh.history AS before
            WHERE before.namespace = wanted.namespace
                AND before.execution_id = wanted.execution_id
                AND before.first_sequence <= wanted.after + 1
        ), 0)
        AND first_sequence <= wanted.after + $4
        AND last_sequence > wanted.after
) AS page
ORDER BY wanted.namespace, wanted.execution_id, page.first_sequence
