-- $1 cluster id, $2 partitions, $3 token key: creates the cluster and its partitions unless it is there.
WITH created AS (
    INSERT INTO flowmesh.cluster (cluster_id, partitions, token_key)
    VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING partitions
)
INSERT INTO flowmesh.partition (partition)
SELECT generate_series(0, partitions - 1) FROM created
