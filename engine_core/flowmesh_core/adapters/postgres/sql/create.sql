-- $1 namespaces and $2 digests that must be stored already;
-- definitions: $3 namespaces, $4 digests, $5 bodies;
-- executions, in the order of the call: $6 namespaces, $7 execution ids, $8 partitions,
-- $9 workflow names, $10 versions, $11 digests, $12 request ids, $13 request digests,
-- $14 labels, $15 inputs, $16 traceparents, $17 times. Returns the keys of the created executions and
-- of the request ids that were new, or the missing digests.
--
-- Every call takes its locks in the same order (requests, executions,
-- definitions, each sorted), so that calls with the same keys wait for each
-- other and never in a circle. A request record is kept even when its
-- execution id turns out to be taken: a repeat then gets the same answer.
WITH missing AS MATERIALIZED (
    SELECT wanted.namespace, wanted.digest
    FROM unnest($1::text[], $2::text[]) AS wanted (namespace, digest)
    WHERE NOT EXISTS (
        SELECT FROM flowmesh.definition AS stored
        WHERE stored.namespace = wanted.namespace AND stored.digest = wanted.digest
    )
), item AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $6::text[], $7::text[], $8::integer[], $9::text[], $10::integer[], $11::text[], $12::text[],
        $13::text[], $14::text[], $15::bytea[], $16::text[], $17::bigint[]
    ) WITH ORDINALITY AS item (
        namespace, execution_id, partition, workflow_name, workflow_version, workflow_digest, request_id,
        request_digest, labels, input, traceparent, created_at, place
    )
    WHERE NOT EXISTS (SELECT FROM missing)
), claimed AS (
    INSERT INTO flowmesh.request (namespace, method, request_id, digest, answer, created_at)
    SELECT namespace, 'SubmitWorkflow', request_id, request_digest, execution_id, created_at
    FROM item
    WHERE request_id <> ''
    ORDER BY namespace COLLATE "C", request_id COLLATE "C", place
    ON CONFLICT DO NOTHING
    RETURNING namespace, request_id, digest, answer
), created AS (
    INSERT INTO flowmesh.execution (
        namespace, execution_id, partition, workflow_name, workflow_version, workflow_digest,
        request_digest, labels, input, traceparent, created_at
    )
    SELECT
        item.namespace, item.execution_id, item.partition, item.workflow_name, item.workflow_version,
        item.workflow_digest, item.request_digest, item.labels::jsonb, item.input, item.traceparent,
        item.created_at
    FROM item
    WHERE item.request_id = ''
        OR (item.namespace, item.request_id, item.request_digest, item.execution_id)
            IN (SELECT namespace, request_id, digest, answer FROM claimed)
    ORDER BY item.namespace COLLATE "C", item.execution_id COLLATE "C", item.place
    ON CONFLICT DO NOTHING
    RETURNING namespace, execution_id
), defined AS (
    INSERT INTO flowmesh.definition (namespace, digest, body)
    SELECT namespace, digest, body
    FROM unnest($3::text[], $4::text[], $5::bytea[]) AS definition (namespace, digest, body)
    WHERE NOT EXISTS (SELECT FROM missing)
    ORDER BY namespace COLLATE "C", digest COLLATE "C"
    ON CONFLICT DO NOTHING
)
SELECT 'created' AS kind, namespace, execution_id AS id FROM created
UNION ALL
SELECT 'claimed', namespace, request_id FROM claimed
UNION ALL
SELECT 'missing', namespace, digest FROM missing
