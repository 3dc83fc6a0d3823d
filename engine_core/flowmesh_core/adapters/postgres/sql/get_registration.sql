-- $1 namespace, $2 request id.
SELECT digest, answer
FROM flowmesh.request
WHERE namespace = $1 AND method = 'RegisterWorkflow' AND request_id = $2
