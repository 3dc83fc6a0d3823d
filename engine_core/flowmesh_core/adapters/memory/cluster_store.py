"""The facts of a cluster in memory."""

from __future__ import annotations

from flowmesh_core.adapters.memory.database import MemoryDatabase, PartitionRow
from flowmesh_core.domain.errors import ClusterMismatch
from flowmesh_core.ports.cluster_store import Cluster


class MemoryClusterStore:
    """The twin of the `ClusterStore` port."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def open(self, partitions: int) -> Cluster:
        """See `ClusterStore.open`."""
        if self._database.cluster is None:
            self._database.cluster = Cluster("memory", partitions, bytes(32))
            self._database.partitions = {number: PartitionRow() for number in range(partitions)}
        cluster = self._database.cluster
        if cluster.partitions != partitions:
            raise ClusterMismatch(
                f"the cluster has {cluster.partitions} partitions, the settings say {partitions}",
                metadata={"cluster": str(cluster.partitions), "settings": str(partitions)},
            )
        return cluster
