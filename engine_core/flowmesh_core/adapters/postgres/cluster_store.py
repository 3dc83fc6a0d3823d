"""The facts of a cluster in PostgreSQL."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from flowmesh_core.adapters.postgres.migrate import require_current
from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.errors import ClusterMismatch
from flowmesh_core.ports.cluster_store import Cluster

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Pool

_OPEN = statement("open_cluster")
_READ = "SELECT cluster_id, partitions, token_key FROM flowmesh.cluster"


class PostgresClusterStore:
    """The `ClusterStore` port on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, partitions: int) -> Cluster:
        """See `ClusterStore.open`."""
        async with connection(self._pool) as borrowed:
            await require_current(borrowed)
            await borrowed.execute(_OPEN, secrets.token_hex(8), partitions, secrets.token_bytes(32))
            (row,) = await borrowed.fetch(_READ)
        cluster = Cluster(row["cluster_id"], row["partitions"], row["token_key"])
        if cluster.partitions != partitions:
            raise ClusterMismatch(
                f"the cluster has {cluster.partitions} partitions, the settings say {partitions}",
                metadata={"cluster": str(cluster.partitions), "settings": str(partitions)},
            )
        return cluster
