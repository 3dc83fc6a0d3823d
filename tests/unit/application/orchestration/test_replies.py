from __future__ import annotations

import asyncio

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.application.replies import ReplyDesk
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import CancelNotice, Reply


def reply(correlation_id: str) -> Reply:
    return Reply(correlation_id, Verdict.ACCEPTED, ExecutionStatus.CANCELLING)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_gets_its_own() -> None:
    clock = VirtualClock()
    mailbox = MemoryMailbox(MemoryTransport(clock))
    desk = ReplyDesk(mailbox, "me", clock)
    loop = asyncio.ensure_future(desk.run())
    await settle()
    with desk.expect("a") as a, desk.expect("b") as b:
        strange = CancelNotice(ExecutionKey("default", "e"), "n", 1)
        await mailbox.post("me", [reply("unknown"), strange, reply("b"), reply("b")])
        assert (await b).correlation_id == "b"
        assert not a.done()
        await mailbox.post("other", [reply("a")])
        await settle()
        assert not a.done()
        await mailbox.post("me", [reply("a")])
        assert (await a).correlation_id == "a"
    await mailbox.post("me", [reply("a")])
    await settle()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_it_opens_again_after_an_outage() -> None:
    clock = VirtualClock()
    transport = MemoryTransport(clock)
    transport.available = False
    desk = ReplyDesk(MemoryMailbox(transport), "me", clock)
    loop = asyncio.ensure_future(desk.run())
    await settle()
    transport.available = True
    clock.advance(10)
    await settle()
    with desk.expect("a") as answer:
        await MemoryMailbox(transport).post("me", [reply("a")])
        assert await answer == reply("a")
    loop.cancel()
    await asyncio.wait([loop])
