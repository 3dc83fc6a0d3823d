"""Watch hints on Redis channels."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.listener import Listener
from flowmesh_core.adapters.redis.messages import decode_hints, decode_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.domain.identity import ExecutionKey
    from flowmesh_core.ports.telemetry import Telemetry

_CAPACITY = 1_000


class RedisWatchHints:
    """A `WatchHints`."""

    def __init__(self, client: RedisClient, telemetry: Telemetry) -> None:
        self._client = client
        self._telemetry = telemetry

    @asynccontextmanager
    async def subscribe(self, partition: int) -> AsyncIterator[AsyncIterator[Mapping[ExecutionKey, int]]]:
        """Open a stream of hints about a partition."""
        async with self._client.subscriptions.listen([keys.watch(partition)], _CAPACITY) as feed:
            yield Listener(feed, _hints, self._telemetry)

    @asynccontextmanager
    async def closings(self) -> AsyncIterator[AsyncIterator[Collection[ExecutionKey]]]:
        """Open a stream of executions that closed."""
        async with self._client.subscriptions.listen([keys.CLOSED], _CAPACITY) as feed:
            yield Listener(feed, _closings, self._telemetry)


def _hints(body: bytes | None) -> list[Mapping[ExecutionKey, int]]:
    return [{}] if body is None else [decode_hints(body)]


def _closings(body: bytes | None) -> list[Collection[ExecutionKey]]:
    return [()] if body is None else [decode_keys(body)]
