-- $1 namespaces, $2 execution ids.
SELECT execution.namespace, execution.execution_id, coalesce(newest.last_sequence, 0) AS last_sequence
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, execution_id)
JOIN flowmesh.execution AS execution USING (namespace, execution_id)
LEFT JOIN LATERAL (
    SELECT last_sequence
    FROM flowmesh.history AS history
    WHERE history.namespace = execution.namespace AND history.execution_id = execution.execution_id
    ORDER BY first_sequence DESC
    LIMIT 1
) AS newest ON true
