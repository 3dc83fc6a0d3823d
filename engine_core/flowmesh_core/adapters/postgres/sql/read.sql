-- $1 namespace, $2 execution id, $3 after this sequence, $4 at least so many events.
-- Sequences are dense: the page begins with the row around the next one, and
-- takes rows while fewer events than wanted lie before them.
SELECT first_sequence, schema_version, body
FROM flowmesh.history
WHERE namespace = $1
    AND execution_id = $2
    AND first_sequence >= coalesce((
        SELECT max(first_sequence)
        FROM flowmesh.history
        WHERE namespace = $1 AND execution_id = $2 AND first_sequence <= $3 + 1
    ), 0)
    AND first_sequence <= $3 + $4
    AND last_sequence > $3
ORDER BY first_sequence
