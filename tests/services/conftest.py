"""Fixtures of the tests of services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services.memory_cluster import MemoryCluster, Replica, replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def cluster() -> MemoryCluster:
    """An empty cluster."""
    return MemoryCluster()


@pytest.fixture
async def one(cluster: MemoryCluster) -> AsyncIterator[Replica]:
    """A replica of the cluster."""
    async with replica(cluster) as serving:
        yield serving
