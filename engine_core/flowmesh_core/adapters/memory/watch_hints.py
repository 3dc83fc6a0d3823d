"""The twin of the watch hints."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from flowmesh_core.adapters.feed import Feed
    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.domain.identity import ExecutionKey


class MemoryWatchHints:
    """A `WatchHints`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    @asynccontextmanager
    async def subscribe(self, partition: int) -> AsyncIterator[AsyncIterator[Mapping[ExecutionKey, int]]]:
        """Open a stream of hints about a partition."""
        self._transport.require()
        with self._transport.hints.listen([str(partition)]) as feed:
            yield _hints(feed)

    @asynccontextmanager
    async def closings(self) -> AsyncIterator[AsyncIterator[Collection[ExecutionKey]]]:
        """Open a stream of executions that closed."""
        self._transport.require()
        with self._transport.closings.listen([""]) as feed:
            yield _closings(feed)


async def _hints(feed: Feed[Mapping[ExecutionKey, int]]) -> AsyncIterator[Mapping[ExecutionKey, int]]:
    while True:
        yield await feed.get() or {}


async def _closings(feed: Feed[Collection[ExecutionKey]]) -> AsyncIterator[Collection[ExecutionKey]]:
    while True:
        yield await feed.get() or ()
