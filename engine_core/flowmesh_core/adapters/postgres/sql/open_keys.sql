-- $1 partitions.
SELECT namespace, execution_id
FROM flowmesh.execution
WHERE status IN ('RUNNING', 'CANCELLING') AND partition = ANY ($1::integer[])
