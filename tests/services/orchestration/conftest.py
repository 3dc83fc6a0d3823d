"""Fixtures of the tests of OrchestrationService."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services.orchestration.hand_owner import HandOwner

if TYPE_CHECKING:
    from tests.services.memory_cluster import MemoryCluster


@pytest.fixture
async def owner(cluster: MemoryCluster) -> HandOwner:
    """The owner of every partition of the cluster."""
    return await HandOwner(cluster).open()
