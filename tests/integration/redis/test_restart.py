from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import TransportLost
from flowmesh_core.ports.outbox import Outgoing
from flowmesh_core.ports.task_queue import QueueName
from tests.contract.transports import command, execution, on_redis, task
from tests.integration.redis.servers import MortalRedis, mortal_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.transports import OnRedis, Process

RESIZE = QueueName("default", "resize")


@pytest.fixture
async def redis() -> AsyncIterator[MortalRedis]:
    async with mortal_redis() as running:
        yield running


@pytest.fixture
async def transport(redis: MortalRedis) -> AsyncIterator[OnRedis]:
    async with on_redis(redis.url) as opened:
        yield opened


async def _kill_while_reading(redis: MortalRedis, process: Process) -> None:
    reading = asyncio.ensure_future(process.command_log.receive([7, 8], limit=9, wait=30))
    await process.command_log.depth([7])
    await redis.kill()
    with pytest.raises(StoreUnavailable):
        await reading
    with pytest.raises(StoreUnavailable):
        await process.command_log.receive([7, 8], limit=9, wait=30)


async def test_a_killed_redis_that_kept_its_data_goes_on(redis: MortalRedis, transport: OnRedis) -> None:
    process = transport.process()
    await process.command_log.open([7, 8])
    await process.outbox.flush(Outgoing(tasks=[task()], dispatched={7: {execution(): 1}}))
    async with process.watch_hints.subscribe(7) as hints:
        await _kill_while_reading(redis, process)
        await redis.start()
        await process.command_log.send([command()])
        received = await process.command_log.receive([7, 8], limit=9, wait=0)
        assert [each.envelope for each in received] == [command()]
        assert [each.task for each in await process.task_queue.take("gateway", [RESIZE], 9)] == [task()]
        hearing = asyncio.ensure_future(_heard(hints))
        while not hearing.done():
            await process.outbox.flush(Outgoing(changed={7: {execution(): 2}}))
        await hearing


async def _heard(hints: AsyncIterator[object]) -> None:
    while not await anext(hints):
        pass


async def test_a_redis_that_lost_everything_is_noticed(redis: MortalRedis, transport: OnRedis) -> None:
    process = transport.process()
    await process.command_log.open([7, 8])
    await _kill_while_reading(redis, process)
    shutil.rmtree(redis.data)
    await redis.start()
    with pytest.raises(TransportLost) as error:
        await process.command_log.receive([7, 8], limit=9, wait=0)
    assert error.value.partitions == {7, 8}
    await process.command_log.open([7, 8])
    assert await process.command_log.receive([7, 8], limit=9, wait=0) == []


async def test_a_redis_that_lost_its_newest_data_is_noticed(redis: MortalRedis, transport: OnRedis) -> None:
    process = transport.process()
    await process.command_log.open([7, 8])
    await process.outbox.flush(Outgoing(tasks=[task(1)], dispatched={7: {execution(1): 1}}))
    older = redis.data.with_name("older")
    shutil.copytree(redis.data, older)
    await process.outbox.flush(Outgoing(tasks=[task(2)], dispatched={7: {execution(2): 1}}))
    await _kill_while_reading(redis, process)
    shutil.rmtree(redis.data)
    older.rename(redis.data)
    await redis.start()
    with pytest.raises(TransportLost) as error:
        await process.command_log.receive([7, 8], limit=9, wait=0)
    assert error.value.partitions == {7}
    assert await process.outbox.dispatched(7) == {execution(1): 1}
