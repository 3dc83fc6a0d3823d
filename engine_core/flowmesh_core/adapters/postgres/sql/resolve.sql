-- $1 namespaces, $2 request ids, $3 execution ids: what stands for a submission already.
-- digest_used is that of the request id, NULL when it is unused; request_digest that of the execution.
SELECT
    wanted.place,
    request.digest AS digest_used,
    execution.request_digest,
    coalesce(request.answer, wanted.execution_id) AS answer
FROM unnest($1::text[], $2::text[], $3::text[])
    WITH ORDINALITY AS wanted (namespace, request_id, execution_id, place)
LEFT JOIN flowmesh.request AS request
    ON request.namespace = wanted.namespace
    AND request.method = 'SubmitWorkflow'
    AND request.request_id = wanted.request_id
LEFT JOIN flowmesh.execution AS execution
    ON execution.namespace = wanted.namespace
    AND execution.execution_id = coalesce(request.answer, wanted.execution_id)
ORDER BY wanted.place
