from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.endpoint import Endpoint
from flowmesh_core.adapters.redis.subscriptions import Subscriptions
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.mailbox import TasksMoved
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.transports import execution
from tests.integration.redis.faults import cut_connections
from tests.integration.redis.servers import silent_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.domain.identity import ExecutionKey
    from flowmesh_core.ports.mailbox import Mailbox
    from tests.contract.transports import OnRedis

MOVED = [TasksMoved((b"token",))]


async def test_watchers_learn_that_a_broken_connection_may_have_cost_hints(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    async with process.watch_hints.subscribe(7) as hints:
        await process.outbox.flush(Outgoing(changed={7: {execution(): 1}}))
        while await anext(hints) != {execution(): 1}:
            pass
        await cut_connections(operator, "pubsub")
        assert await anext(hints) == {}
        hearing = asyncio.ensure_future(_next_hint(hints))
        while not hearing.done():
            await process.outbox.flush(Outgoing(changed={7: {execution(): 2}}))
        assert await hearing == {execution(): 2}


async def _next_hint(hints: AsyncIterator[Mapping[ExecutionKey, int]]) -> Mapping[ExecutionKey, int]:
    while not (hint := await anext(hints)):
        pass
    return hint


async def test_a_mailbox_goes_on_after_many_broken_connections(
    transport: OnRedis, operator: RedisClient
) -> None:
    mailbox = transport.process().mailbox
    async with mailbox.open("member") as mail:
        for _ in range(5):
            await cut_connections(operator, "pubsub")
            hearing = asyncio.ensure_future(anext(mail))
            while not hearing.done():
                await mailbox.post("member", MOVED)
            assert list(await hearing) == MOVED


async def test_all_channels_of_a_process_share_one_connection(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    async with AsyncExitStack() as stack:
        for partition in range(256):
            await stack.enter_async_context(process.watch_hints.subscribe(partition))
        await stack.enter_async_context(process.mailbox.open("member"))
        assert await operator.call("PUBSUB", "NUMSUB", keys.watch(255)) == [keys.watch(255).encode(), 1]
        assert len((await operator.call("CLIENT", "LIST", "TYPE", "pubsub")).splitlines()) == 1
    await _until_unsubscribed(operator)


async def _until_unsubscribed(operator: RedisClient) -> None:
    while await operator.call("PUBSUB", "CHANNELS", "fm:*"):
        pass


async def test_a_channel_left_and_joined_at_once_is_active(transport: OnRedis) -> None:
    mailbox = transport.process().mailbox
    for _ in range(50):
        joining = asyncio.ensure_future(_open_and_leave(mailbox))
        await asyncio.sleep(0)
        joining.cancel()
        async with mailbox.open("member") as mail:
            await mailbox.post("member", MOVED)
            assert list(await anext(mail)) == MOVED
        await asyncio.wait([joining])


async def _open_and_leave(mailbox: Mailbox) -> None:
    async with mailbox.open("member"):
        pass


async def test_what_cannot_be_decoded_is_passed_over_and_counted(
    transport: OnRedis, operator: RedisClient
) -> None:
    mailbox = transport.process().mailbox
    async with mailbox.open("member") as mail:
        for body in (b"", b"\xc1", b"\x91\xcc\xfa", b"\x92\x01\x05", b"\x92\x01\x92\xcc\xfa\x01"):
            await operator.call("PUBLISH", keys.mailbox("member"), body)
        await mailbox.post("member", MOVED)
        assert [list(await anext(mail)) for _ in range(2)] == [[], MOVED]
    assert transport.telemetry.counts["flowmesh.messages.undecodable"] == 4


async def test_a_subscription_that_is_not_confirmed_in_time_fails() -> None:
    async with silent_server() as url:
        subscriptions = Subscriptions(Endpoint.parse(url), deadline=0.05)
        with pytest.raises(StoreUnavailable):
            async with subscriptions.listen(["channel"], 1):
                pass
        await subscriptions.aclose()
