"""What an operator, a crash or the network does to a Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient


async def cut_connections(operator: RedisClient, kind: str) -> int:
    """Cut all connections of others: `normal` ones or `pubsub`; return how many."""
    return int(await operator.call("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))


async def until_blocked(operator: RedisClient, count: int) -> None:
    """Return when that many clients are blocked in a read."""
    while b"blocked_clients:%d\r\n" % count not in await operator.call("INFO", "clients"):
        pass
