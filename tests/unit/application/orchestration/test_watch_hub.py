from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.watch_hints import MemoryWatchHints
from flowmesh_core.application.watch_hub import WatchHub, WatchSettings
from flowmesh_core.domain.events import Event, NodeCompleted
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.time import Micros

KEYS = [ExecutionKey("default", f"e{number}") for number in range(100)]


class CountedHistories(MemoryHistoryStore):
    """Counts the round trips of feeds."""

    round_trips = 0

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        self.round_trips += 1
        return await super().read(key, after=after, limit=limit)

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        found = await super().read_new(positions, limit=limit)
        self.round_trips += 1 - len(positions)
        return found


async def test_what_many_executions_did_is_read_together() -> None:
    clock = VirtualClock()
    database, transport = MemoryDatabase(clock), MemoryTransport(clock)
    histories = CountedHistories(database)
    hub = WatchHub(MemoryWatchHints(transport), histories, clock, RecordedTelemetry(), WatchSettings())
    for key in KEYS:
        database.histories[key] = {1: (NodeCompleted(1, Micros(0), 0, 1, NULL, key.execution_id, None),)}
    async with AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(hub.watch(key, 0)) for key in KEYS]

        seen = await asyncio.gather(*(feed.next(0) for feed in feeds))

    assert [[event.worker_id for event in events if isinstance(event, NodeCompleted)] for events in seen] == [
        [key.execution_id] for key in KEYS
    ]
    assert histories.round_trips <= 3
