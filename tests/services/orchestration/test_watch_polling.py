"""What watchers of executions ask of the store while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, replica
from tests.services.orchestration.hand_owner import HandOwner

WATCHERS = 20
RESTLESS = WatchSettings(poll=0.05)


class AskedHistories(MemoryHistoryStore):
    """Notes what it is asked for; silent when told to be.

    Attributes:
        reads: How often one history was read.
        looks: How many keys each look for news was for.
        silent: Whether looks for news are not answered.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.reads = 0
        self.looks: asyncio.Queue[int] = asyncio.Queue()
        self.silent = False

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        self.reads += 1
        return await super().read(key, after=after, limit=limit)

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        if self.silent:
            raise StoreUnavailable("as it was told to be")
        self.looks.put_nowait(len(keys))
        return await super().newest(keys)


@pytest.fixture
def histories(cluster: MemoryCluster) -> AskedHistories:
    cluster.histories = AskedHistories(cluster.database)
    return cluster.histories


async def watching(one: Any, stack: AsyncExitStack, execution_id: str) -> Any:
    """Open a stream that has its snapshot."""
    call = one.orchestration.WatchExecution(pb.WatchExecutionRequest(execution_id=execution_id))
    stack.callback(call.cancel)
    assert (await call.read()).HasField("snapshot")
    return call


async def test_one_look_is_for_all_executions_that_are_watched(
    cluster: MemoryCluster, histories: AskedHistories, owner: HandOwner
) -> None:
    for number in range(WATCHERS):
        await owner.begin(Node("a", "h"), execution_id=f"e{number}")
    async with replica(cluster, watch=RESTLESS) as one, AsyncExitStack() as stack:
        for number in range(WATCHERS):
            await watching(one, stack, f"e{number}")
        before = histories.reads
        while await histories.looks.get() < WATCHERS:
            pass  # one from before all of them watched
        assert [await histories.looks.get() for _ in range(3)] == [WATCHERS] * 3
        assert histories.reads == before, "nothing happened, so nothing was read"


async def test_a_store_that_does_not_answer_the_look_is_read_instead(
    cluster: MemoryCluster, histories: AskedHistories, owner: HandOwner
) -> None:
    key = await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=RESTLESS) as one, AsyncExitStack() as stack:
        call = await watching(one, stack, "e1")
        histories.silent = True
        await owner.complete(key, "a", hint=False)
        assert (await call.read()).HasField("event")
