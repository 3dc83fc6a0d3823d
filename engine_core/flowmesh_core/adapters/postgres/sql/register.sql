-- $1 namespace, $2 name, $3 digest, $4 body, $5 time, $6 the version that is the newest as far as we know.
-- Writes nothing when another registered that version first.
WITH defined AS (
    INSERT INTO flowmesh.definition (namespace, digest, body)
    VALUES ($1, $3, $4)
    ON CONFLICT DO NOTHING
)
INSERT INTO flowmesh.workflow_version (namespace, name, version, digest, created_at)
VALUES ($1, $2, $6 + 1, $3, $5)
ON CONFLICT DO NOTHING
RETURNING version
