-- $1 accepted before, $2 limit.
SELECT partition, namespace, execution_id
FROM flowmesh.execution
WHERE status = 'PENDING' AND created_at < $1
ORDER BY created_at
LIMIT $2
