"""A Redis, a process on it, and an operator who breaks things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.redis.connection import connect
from tests.contract.transports import OnRedis, on_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.adapters.redis.connection import RedisClient


@pytest.fixture
async def transport(redis_url: str) -> AsyncIterator[OnRedis]:
    """What the processes under test share."""
    async with on_redis(redis_url) as opened:
        yield opened


@pytest.fixture
async def operator(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of its own."""
    async with connect(redis_url) as client:
        yield client
