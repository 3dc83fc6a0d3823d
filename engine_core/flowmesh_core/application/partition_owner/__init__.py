"""The owner of partitions: leases, loading, and the loop that advances executions."""

from __future__ import annotations

from flowmesh_core.application.partition_owner.owner import OwnerPorts, PartitionOwner
from flowmesh_core.application.partition_owner.settings import OwnerSettings

__all__ = ["OwnerPorts", "OwnerSettings", "PartitionOwner"]
