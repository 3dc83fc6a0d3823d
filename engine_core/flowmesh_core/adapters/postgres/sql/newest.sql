-- $1 namespaces, $2 execution ids.
SELECT wanted.namespace, wanted.execution_id, newest.last_sequence
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, execution_id)
CROSS JOIN LATERAL (
    SELECT last_sequence
    FROM flowmesh.history AS history
    WHERE history.namespace = wanted.namespace AND history.execution_id = wanted.execution_id
    ORDER BY first_sequence DESC
    LIMIT 1
) AS newest
