from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.redis import keys
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import TransportLost
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.transports import OnRedis, command, execution, task
from tests.integration.redis.faults import cut_connections

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from tests.contract.transports import Process


async def _dispatch(process: Process, partition: int, sequence: int = 1) -> None:
    await process.outbox.flush(Outgoing(dispatched={partition: {execution(): sequence}}))


async def test_a_flush_into_an_emptied_redis_says_so(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    await process.command_log.open([7, 8])
    await _dispatch(process, 7)
    await operator.call("FLUSHALL")
    with pytest.raises(TransportLost) as error:
        await _dispatch(process, 7)
    assert error.value.partitions == {7}
    await process.command_log.open([7, 8])
    await _dispatch(process, 7)


async def test_a_flush_into_an_older_redis_says_so(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    await process.command_log.open([7])
    await _dispatch(process, 7)
    await operator.call("HINCRBY", keys.dispatched(7), keys.BEAT_FIELD, -1)
    with pytest.raises(TransportLost):
        await _dispatch(process, 7)


async def test_flushes_at_once_and_a_successor_are_no_loss(transport: OnRedis) -> None:
    old, new = transport.process(), transport.process()
    await old.command_log.open([7])
    await asyncio.gather(*(_dispatch(old, 7, sequence) for sequence in range(20)))
    await new.command_log.open([7])
    await asyncio.gather(*(_dispatch(process, 7) for process in (old, new) for _ in range(20)))


async def test_a_cut_flush_can_be_repeated(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    await process.command_log.open([7])
    await process.command_log.send([command()])
    [received] = await process.command_log.receive([7], limit=1, wait=0)
    outgoing = Outgoing(
        tasks=[task(number) for number in range(10_000)],
        dispatched={7: {execution(): 9}},
        acknowledged={7: [received.entry_id]},
    )
    flushing = asyncio.ensure_future(process.outbox.flush(outgoing))
    while not await operator.call("XLEN", keys.tasks("default", "resize")):
        pass
    await cut_connections(operator, "normal")
    with pytest.raises(StoreUnavailable):
        await flushing
    assert await process.command_log.claim(7) == [received]
    await process.outbox.flush(outgoing)
    assert await process.outbox.dispatched(7) == {execution(): 9}
    assert await process.command_log.claim(7) == []


async def test_a_redis_that_is_full_is_unavailable(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    await operator.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable, match="OOM"):
            await process.outbox.flush(Outgoing(tasks=[task()]))
    finally:
        await operator.call("CONFIG", "SET", "maxmemory", "0")
