-- $1 namespaces, $2 request ids.
SELECT request.namespace, request.request_id, request.answer
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, request_id)
JOIN flowmesh.request AS request
    ON request.namespace = wanted.namespace
    AND request.method = 'SubmitWorkflow'
    AND request.request_id = wanted.request_id
