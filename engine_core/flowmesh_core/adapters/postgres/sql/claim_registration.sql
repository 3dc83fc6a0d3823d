-- $1 namespace, $2 request id, $3 digest of the workflow, $4 answer, $5 time.
INSERT INTO flowmesh.request (namespace, method, request_id, digest, answer, created_at)
VALUES ($1, 'RegisterWorkflow', $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING 1
