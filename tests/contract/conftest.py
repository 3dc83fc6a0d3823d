"""Every contract runs on the twin in memory and on the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.stores import Stores, memory_stores, postgres_stores
from tests.contract.transports import InMemory, OnRedis, Transport, on_redis

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


@pytest.fixture(params=["memory", "redis"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """A transport that nothing was sent over before."""
    if request.param == "memory":
        return InMemory()
    found = request.getfixturevalue("transport_on_redis")
    assert isinstance(found, OnRedis)
    return found


@pytest.fixture
async def transport_on_redis(redis_url: str) -> AsyncIterator[OnRedis]:
    """The transport on an empty Redis."""
    async with on_redis(redis_url) as opened:
        yield opened
