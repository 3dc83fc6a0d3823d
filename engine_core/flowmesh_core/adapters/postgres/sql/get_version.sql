-- $1 namespace, $2 name, $3 version, 0 for the newest.
SELECT namespace, name, version, digest, created_at
FROM flowmesh.workflow_version
WHERE namespace = $1 AND name = $2 AND ($3 = 0 OR version = $3)
ORDER BY version DESC
LIMIT 1
