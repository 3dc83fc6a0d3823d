-- Moments that the engine decided are bigint microseconds since 1970, as in the
-- domain; leases and recorded_at are the database's own clock.
-- Text that is compared or sorted is COLLATE "C": one order on every server.
-- Indexes beside the primary keys spell the namespace as (namespace || ''):
-- without statistics, as in a new cluster, the planner would otherwise take
-- them for look-ups by key, and read the whole namespace each time.

CREATE TABLE flowmesh.cluster (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    cluster_id text NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0),
    token_key  bytea NOT NULL CHECK (length(token_key) = 32)
);

CREATE TABLE flowmesh.member (
    member_id   text COLLATE "C" PRIMARY KEY,
    roles       text[] NOT NULL,
    address     text NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Every append locks and every takeover updates rows here: room on each page
-- keeps the new versions beside the old ones.
CREATE TABLE flowmesh.partition (
    partition integer PRIMARY KEY,
    owner     text COLLATE "C",
    epoch     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE flowmesh.definition (
    namespace text COLLATE "C",
    digest    text COLLATE "C",
    body      bytea NOT NULL,
    PRIMARY KEY (namespace, digest)
);

CREATE TABLE flowmesh.workflow_version (
    namespace  text COLLATE "C",
    name       text COLLATE "C",
    version    integer,
    digest     text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (namespace, name, version)
);

-- What a request id stands for. The answer is the id of the execution, or the
-- name and version of the workflow and whether that version existed (with colons,
-- which no id of an execution has).
CREATE TABLE flowmesh.request (
    namespace  text COLLATE "C",
    method     text COLLATE "C",
    request_id text COLLATE "C",
    digest     text COLLATE "C" NOT NULL,
    answer     text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (namespace, method, request_id)
);
CREATE INDEX request_by_execution ON flowmesh.request ((namespace || ''), answer);

CREATE TABLE flowmesh.execution (
    namespace        text COLLATE "C",
    execution_id     text COLLATE "C",
    partition        integer NOT NULL,
    status           text COLLATE "C" NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'RUNNING', 'CANCELLING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    workflow_name    text COLLATE "C" NOT NULL,
    workflow_version integer NOT NULL,
    workflow_digest  text COLLATE "C" NOT NULL,
    request_digest   text COLLATE "C" NOT NULL,
    labels           jsonb NOT NULL,
    input            bytea NOT NULL,
    traceparent      text NOT NULL,
    created_at       bigint NOT NULL,
    started_at       bigint,
    closed_at        bigint,
    failure          bytea,
    PRIMARY KEY (namespace, execution_id)
) WITH (fillfactor = 85);
CREATE INDEX execution_newest ON flowmesh.execution ((namespace || ''), created_at, execution_id);
CREATE INDEX execution_failed ON flowmesh.execution ((namespace || ''), created_at, execution_id)
    WHERE status = 'FAILED';
CREATE INDEX execution_by_label ON flowmesh.execution USING gin (labels jsonb_path_ops)
    WHERE labels <> '{}';
CREATE INDEX execution_pending ON flowmesh.execution (created_at) WHERE status = 'PENDING';
CREATE INDEX execution_open ON flowmesh.execution (partition) WHERE status IN ('RUNNING', 'CANCELLING');
CREATE INDEX execution_closed ON flowmesh.execution (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE flowmesh.history (
    namespace      text COLLATE "C",
    execution_id   text COLLATE "C",
    first_sequence bigint,
    last_sequence  bigint NOT NULL CHECK (last_sequence >= first_sequence),
    schema_version smallint NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    body           bytea NOT NULL,
    PRIMARY KEY (namespace, execution_id, first_sequence)
);
