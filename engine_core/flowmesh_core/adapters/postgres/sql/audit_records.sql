SELECT namespace, execution_id, partition, status, workflow_name, workflow_version, workflow_digest,
    labels, NULL::bytea AS input, traceparent, created_at, started_at, closed_at, failure
FROM flowmesh.execution
ORDER BY namespace, execution_id
