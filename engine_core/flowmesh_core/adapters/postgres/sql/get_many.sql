-- $1 namespaces, $2 execution ids.
SELECT execution.*
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, execution_id)
JOIN flowmesh.execution AS execution USING (namespace, execution_id)
