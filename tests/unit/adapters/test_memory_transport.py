from __future__ import annotations

import asyncio

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.watch_hints import MemoryWatchHints
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.mailbox import TasksMoved


async def _let_others_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_read_waits_on_the_virtual_clock_alone() -> None:
    clock = VirtualClock()
    log = MemoryCommandLog(MemoryTransport(clock))
    await log.open([7])
    reading = asyncio.ensure_future(log.receive([7], limit=1, wait=60))
    await _let_others_run()
    clock.advance(59.9)
    await _let_others_run()
    assert not reading.done()
    clock.advance(0.1)
    assert await reading == []
    assert clock.next_wake() is None


async def test_an_outage_is_felt_by_all() -> None:
    transport = MemoryTransport(VirtualClock())
    transport.available = False
    with pytest.raises(StoreUnavailable):
        await MemoryCommandLog(transport).send([])
    with pytest.raises(StoreUnavailable):
        await MemoryTaskQueue(transport).gateways()
    with pytest.raises(StoreUnavailable):
        await MemoryMailbox(transport).post("member", [])
    transport.available = True
    assert await MemoryTaskQueue(transport).gateways() == frozenset()


async def test_an_outage_ends_a_read_that_waits() -> None:
    transport = MemoryTransport(VirtualClock())
    log = MemoryCommandLog(transport)
    await log.open([7])
    reading = asyncio.ensure_future(log.receive([7], limit=1, wait=60))
    await _let_others_run()
    transport.available = False
    transport.wake()
    with pytest.raises(StoreUnavailable):
        await reading


async def test_an_interruption_is_told_to_watchers_and_passed_over_by_mailboxes() -> None:
    transport = MemoryTransport(VirtualClock())
    mailbox = MemoryMailbox(transport)
    moved = [TasksMoved((b"token",))]
    async with MemoryWatchHints(transport).subscribe(7) as hints, mailbox.open("member") as mail:
        transport.interrupt()
        assert await anext(hints) == {}
        await mailbox.post("member", moved)
        assert list(await anext(mail)) == moved
