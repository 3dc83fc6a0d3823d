"""What an operator, a crash or the network does to a Redis."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.adapters.redis.connection import RedisClient


async def cut_connections(operator: RedisClient, kind: str) -> int:
    """Cut all connections of others: `normal` ones or `pubsub`; return how many."""
    return int(await operator.call("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))


@asynccontextmanager
async def slow(operator: RedisClient) -> AsyncIterator[None]:
    """Let all who read or write wait for their answers."""
    await operator.call("CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        yield
    finally:
        await operator.call("CLIENT", "UNPAUSE")


async def until_read(operator: RedisClient) -> None:
    """Return when a client has asked for new entries."""
    while b"cmd=xreadgroup" not in await operator.call("CLIENT", "LIST"):
        pass
