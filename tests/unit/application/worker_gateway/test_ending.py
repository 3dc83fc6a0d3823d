"""A gateway that is told to end does, whatever fails at that moment."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.task_queue import QueueName
from tests.unit.application.worker_gateway.running_gateway import Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

_TURNS = 8
"""More turns of the loop than a cancellation takes to get from the gateway to its last task."""


@pytest.mark.parametrize("turns", range(_TURNS))
async def test_it_ends_while_its_hints_break(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A TaskGroup that is cancelled while a child fails forgets that it was: the gateway stayed for ever.
    world = Running()
    broken = asyncio.Event()

    @asynccontextmanager
    async def arrivals(_: Collection[str]) -> AsyncIterator[AsyncIterator[QueueName]]:
        await broken.wait()
        if broken.is_set():
            raise StoreUnavailable("the connection broke")
        yield _nothing()

    monkeypatch.setattr(world.queue, "arrivals", arrivals)
    serving = asyncio.create_task(world.gateway.run())
    await world.settle()
    await world.connect("w1")
    serving.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    broken.set()
    await asyncio.wait({serving}, timeout=5)
    assert serving.cancelled()


async def _nothing() -> AsyncIterator[QueueName]:
    names: tuple[QueueName, ...] = ()
    for name in names:
        yield name
