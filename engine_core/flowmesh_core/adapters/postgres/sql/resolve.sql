-- $1 namespaces, $2 request ids, $3 execution ids: what stands for a submission already.
-- digest_used is that of the request id, NULL when it is unused; request_digest that of the execution.
SELECT request.digest AS digest_used, execution.request_digest, known.answer
FROM unnest($1::text[], $2::text[], $3::text[])
    WITH ORDINALITY AS wanted (namespace, request_id, execution_id, place)
LEFT JOIN LATERAL (
    SELECT digest, answer
    FROM flowmesh.request
    WHERE namespace = wanted.namespace
        AND method = 'SubmitWorkflow'
        AND request_id = wanted.request_id
    LIMIT 1
) AS request ON true
CROSS JOIN LATERAL (SELECT coalesce(request.answer, wanted.execution_id) AS answer) AS known
LEFT JOIN LATERAL (
    SELECT request_digest
    FROM flowmesh.execution
    WHERE namespace = wanted.namespace AND execution_id = known.answer
    LIMIT 1
) AS execution ON true
ORDER BY wanted.place
