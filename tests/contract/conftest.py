"""Every contract runs on the twin in memory and on the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.stores import Stores, memory_stores, postgres_stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """The stores of an empty cluster."""
    if request.param == "memory":
        return memory_stores()
    found = request.getfixturevalue("stores_in_postgres")
    assert isinstance(found, Stores)
    return found


@pytest.fixture
async def stores_in_postgres(database_url: str) -> AsyncIterator[Stores]:
    """The stores of an empty cluster in a database of its own."""
    async with postgres_stores(database_url) as opened:
        yield opened
