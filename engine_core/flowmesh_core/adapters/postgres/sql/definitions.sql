-- $1 namespaces, $2 digests.
SELECT namespace, digest, body
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, digest)
JOIN flowmesh.definition USING (namespace, digest)
