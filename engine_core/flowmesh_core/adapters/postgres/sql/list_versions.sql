-- $1 namespace, $2 name or empty, $3 and $4 the position to go on from, $5 limit.
SELECT namespace, name, version, digest, created_at
FROM flowmesh.workflow_version
WHERE namespace = $1 AND ($2 = '' OR name = $2) AND (name, version) > ($3, $4)
ORDER BY name, version
LIMIT $5
