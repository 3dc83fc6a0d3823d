"""What a cluster was created with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Cluster:
    """Facts that hold for the life of a cluster.

    Attributes:
        cluster_id: Names the cluster.
        partitions: How many partitions executions are spread over.
        token_key: 32 secret bytes that sign task tokens.
    """

    cluster_id: str
    partitions: int
    token_key: bytes = field(repr=False)


class ClusterStore(Protocol):
    """Keeps the one `Cluster` row."""

    async def open(self, partitions: int) -> Cluster:
        """Return the cluster, creating it and its partition rows the first time.

        Safe to call from many processes at once: all get the same answer.

        Raises:
            ClusterMismatch: It was created with another number of partitions,
                or its schema is not the one this code needs.
            StoreUnavailable: The store does not answer.
        """
