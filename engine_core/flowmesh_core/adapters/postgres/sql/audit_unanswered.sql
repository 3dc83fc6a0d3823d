SELECT request.namespace, request.request_id
FROM flowmesh.request AS request
WHERE request.method = 'SubmitWorkflow'
    AND NOT EXISTS (
        SELECT FROM flowmesh.execution AS execution
        WHERE execution.namespace = request.namespace AND execution.execution_id = request.answer
    )
ORDER BY request.namespace, request.method, request.request_id
