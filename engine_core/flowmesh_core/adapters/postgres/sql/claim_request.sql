-- $1 namespace, $2 method, $3 request id, $4 digest, $5 execution id, $6 time.
-- Returns the digest that the request id stands for. The update changes nothing:
-- it makes a row that another call has just inserted visible here.
INSERT INTO flowmesh.request AS known (namespace, method, request_id, digest, answer, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (namespace, method, request_id) DO UPDATE SET digest = known.digest
RETURNING digest
