SELECT namespace, execution_id, first_sequence, last_sequence, schema_version, body
FROM flowmesh.history
ORDER BY namespace, execution_id, first_sequence
