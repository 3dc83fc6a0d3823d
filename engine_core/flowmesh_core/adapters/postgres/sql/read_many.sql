-- $1 namespaces, $2 execution ids.
SELECT history.namespace, history.execution_id, first_sequence, schema_version, body
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, execution_id)
JOIN flowmesh.history AS history USING (namespace, execution_id)
ORDER BY history.namespace, history.execution_id, first_sequence
