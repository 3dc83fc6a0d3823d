from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.codec import encode_command
from flowmesh_core.adapters.redis import keys
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import TransportLost
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.transports import command, execution
from tests.integration.redis.faults import cut_connections, slow, until_read

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from tests.contract.transports import OnRedis


async def test_connections_cut_while_a_read_waits_lose_no_command(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    await log.send([command(number=1)])
    assert len(await log.receive([7, 8], limit=1, wait=30)) == 1
    reading = asyncio.ensure_future(log.receive([7, 8], limit=9, wait=30))
    await transport.elapse(0.01)
    for kind in ("normal", "pubsub"):
        await cut_connections(operator, kind)
    await transport.process().command_log.send([command(number=2)])
    assert [each.envelope for each in await reading] == [command(number=2)]


async def test_a_connection_cut_in_a_read_loses_no_command(transport: OnRedis, operator: RedisClient) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    await log.send([command()])
    async with slow(operator):
        reading = asyncio.ensure_future(log.receive([7, 8], limit=9, wait=0))
        await until_read(operator)
        await cut_connections(operator, "normal")
        with pytest.raises(StoreUnavailable):
            await reading
    received = await log.receive([7, 8], limit=9, wait=30)
    assert [each.envelope for each in received] == [command()]


async def test_commands_of_a_read_whose_answer_was_lost_are_read_again(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([7])
    await log.send([command()])
    async with slow(operator):
        reading = asyncio.ensure_future(log.receive([7], limit=9, wait=0))
        await until_read(operator)
    reading.cancel()  # the answer is on its way, or here and nobody has seen it, or was returned
    await asyncio.wait([reading])
    received = [] if reading.cancelled() else [*reading.result()]
    received += await log.receive([7], limit=9, wait=0)
    assert [each.envelope for each in received] == [command()]


async def test_a_command_that_no_bell_was_rung_for_is_found(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    reading = asyncio.ensure_future(log.receive([7, 8], limit=9, wait=30))
    await transport.elapse(0.01)
    await operator.call("XADD", keys.commands(7), "*", keys.BODY_FIELD, encode_command(command()))
    assert [each.envelope for each in await reading] == [command()]


async def test_a_sender_that_never_rings_is_heard_within_moments(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    silent = ("XADD", keys.commands(7), "*", keys.BODY_FIELD, encode_command(command()))
    await operator.call(*silent)
    assert await log.receive([7, 8], limit=9, wait=30)
    began = asyncio.get_running_loop().time()
    for _ in range(20):
        await operator.call(*silent)
        assert await log.receive([7, 8], limit=9, wait=30)
    assert asyncio.get_running_loop().time() - began < 10  # a look each second would take 20


async def test_a_read_under_way_can_be_interrupted(transport: OnRedis, operator: RedisClient) -> None:
    log = transport.process().command_log
    await log.open([7])
    async with asyncio.timeout(10):
        async with slow(operator):
            reading = asyncio.ensure_future(log.receive([7], limit=9, wait=30))
            await until_read(operator)
            log.interrupt()
        assert list(await reading) == []


async def test_words_that_are_no_bells_mean_nothing(transport: OnRedis, operator: RedisClient) -> None:
    log = transport.process().command_log
    await log.open([7])
    reading = asyncio.ensure_future(log.receive([7], limit=9, wait=30))
    await transport.elapse(0.01)
    for words in ("", "seven", "-7 7.0", "12345"):
        await operator.call("PUBLISH", keys.BELLS, words)
    await log.send([command()])
    assert [each.envelope for each in await reading] == [command()]


async def test_a_log_of_another_type_is_lost_alone(transport: OnRedis, operator: RedisClient) -> None:
    log = transport.process().command_log
    await log.open([6, 7, 8])
    await operator.call("SET", keys.commands(7), "not a stream")
    await log.send([command(6)])
    with pytest.raises(TransportLost) as error:
        await log.receive([6, 7, 8], limit=9, wait=0)
    assert error.value.partitions == {7}
    assert [each.envelope for each in await log.receive([6, 8], limit=9, wait=30)] == [command(6)]


async def test_logs_that_were_closed_are_not_listened_to(transport: OnRedis, operator: RedisClient) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    log.close([7])
    reading = asyncio.ensure_future(log.receive([8], limit=9, wait=30))
    await log.send([command(7), command(8)])
    assert [each.envelope for each in await reading] == [command(8)]
    log.close([8])
    while await operator.call("PUBSUB", "CHANNELS", "*"):
        pass


async def test_a_deleted_stream_is_noticed_by_a_waiting_read(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([6, 7, 8])
    reading = asyncio.ensure_future(log.receive([6, 7, 8], limit=1, wait=30))
    await transport.elapse(0.01)
    await operator.call("DEL", keys.commands(7))
    with pytest.raises(TransportLost) as error:
        await reading
    assert error.value.partitions == {7}
    assert await log.receive([6, 8], limit=1, wait=0) == []


async def test_a_deleted_stream_is_noticed_by_the_next_read(
    transport: OnRedis, operator: RedisClient
) -> None:
    log = transport.process().command_log
    await log.open([7])
    await operator.call("DEL", keys.commands(7))
    await log.send([command()])
    with pytest.raises(TransportLost):
        await log.receive([7], limit=1, wait=0)


async def test_an_older_redis_is_noticed_after_a_broken_connection(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    await process.command_log.open([7, 8])
    for sequence in range(3):
        await process.outbox.flush(Outgoing(dispatched={7: {execution(): sequence}}))
    reading = asyncio.ensure_future(process.command_log.receive([7, 8], limit=1, wait=30))
    await transport.elapse(0.01)
    await operator.call("HINCRBY", keys.dispatched(7), keys.BEAT_FIELD, -1)
    await cut_connections(operator, "normal")
    with pytest.raises(TransportLost) as error:
        await reading
    assert error.value.partitions == {7}


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x97\xcc\xfa\x01\x07\x94\xa0\xa0\xc0\xa0"]
)
async def test_what_cannot_be_decoded_is_parked_and_holds_nothing_up(
    transport: OnRedis, operator: RedisClient, body: bytes
) -> None:
    log = transport.process().command_log
    await log.open([7])
    await log.send([command(number=1)])
    await operator.call("XADD", keys.commands(7), "*", keys.BODY_FIELD, body)
    await log.send([command(number=2)])
    received = await log.receive([7], limit=9, wait=0)
    assert [each.envelope for each in received] == [command(number=1), command(number=2)]
    assert await log.depth([7]) == 2
    [[_, parked]] = await operator.call("XRANGE", keys.parked_commands(7), "-", "+")
    assert parked[1] == body
    assert transport.telemetry.counts["flowmesh.messages.parked"] == 1


async def test_one_read_waits_on_all_256_partitions(transport: OnRedis) -> None:
    log = transport.process().command_log
    await log.open(range(256))
    reading = asyncio.ensure_future(log.receive(range(256), limit=1, wait=30))
    await transport.elapse(0.01)
    await log.send([command(255)])
    assert [each.envelope for each in await reading] == [command(255)]


async def test_nothing_is_left_pending_and_nothing_grows(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    await process.command_log.open([7])
    for _ in range(3):
        await process.command_log.send([command()])
        received = await process.command_log.receive([7], limit=9, wait=0)
        await process.outbox.flush(Outgoing(acknowledged={7: [each.entry_id for each in received]}))
    assert await operator.call("XLEN", keys.commands(7)) == 0
    [group] = await operator.call("XINFO", "GROUPS", keys.commands(7))
    assert group[group.index(b"pending") + 1] == 0
