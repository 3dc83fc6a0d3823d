-- $1 accepted before, $2 limit, $3-$5 behind this place.
SELECT created_at, partition, namespace, execution_id
FROM flowmesh.execution
WHERE status = 'PENDING' AND created_at < $1 AND (created_at, namespace, execution_id) > ($3, $4, $5)
ORDER BY created_at, namespace, execution_id
LIMIT $2
