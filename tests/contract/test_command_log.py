from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.ports.command_log import CommandEnvelope, QueueEntry, TransportLost
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.transports import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.ports.command_log import DeliveredCommand
    from tests.contract.transports import Transport


def _envelopes(delivered: Sequence[DeliveredCommand]) -> list[CommandEnvelope]:
    return [each.envelope for each in delivered]


async def test_commands_arrive_whole_and_in_order(transport: Transport) -> None:
    process = transport.process()
    sent = [command(number=number) for number in range(20)]
    sent.append(
        CommandEnvelope(7, sent[0].command, "mail", "c", QueueEntry("default", "resize", "1-0"), "00-trace")
    )
    await process.command_log.open([7])
    await process.command_log.send(sent)
    assert _envelopes(await process.command_log.receive([7], limit=100, wait=0)) == sent


async def test_commands_sent_before_the_log_was_opened_arrive(transport: Transport) -> None:
    process = transport.process()
    await process.command_log.send([command()])
    await process.command_log.open([7])
    assert _envelopes(await process.command_log.receive([7], limit=1, wait=0)) == [command()]


async def test_one_read_covers_many_partitions_and_limits_each(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open(range(256))
    sent = [command(partition, number) for partition in (3, 200) for number in range(5)]
    await log.send(sent)
    first = _envelopes(await log.receive(range(256), limit=3, wait=0))
    second = _envelopes(await log.receive(range(256), limit=3, wait=0))
    assert [each for each in [*first, *second] if each.partition == 3] == sent[:5]
    assert [each for each in [*first, *second] if each.partition == 200] == sent[5:]
    assert len(first) == 6


async def test_a_read_that_does_not_wait_returns_at_once(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([7])
    assert await log.receive([7], limit=1, wait=0) == []


async def test_a_read_ends_after_its_wait(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([7])
    reading = asyncio.ensure_future(log.receive([7], limit=1, wait=0.02))
    await transport.elapse(0.02)
    assert await reading == []


async def test_a_waiting_read_can_be_interrupted(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([7])
    reading = asyncio.ensure_future(log.receive([7], limit=1, wait=30))
    await transport.elapse(0.01)
    log.interrupt()
    assert list(await reading) == []


async def test_a_log_that_was_closed_waits_for_whoever_opens_it(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([6, 7])
    log.close([7])
    await log.send([command(6), command(7)])
    with pytest.raises(TransportLost) as error:
        await log.receive([6, 7], limit=1, wait=0)
    assert error.value.partitions == {7}
    assert _envelopes(await log.receive([6], limit=1, wait=0)) == [command(6)]
    await log.open([7])
    assert _envelopes(await log.receive([7], limit=1, wait=0)) == [command(7)]


async def test_a_waiting_read_wakes_for_a_command(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([6, 7])
    reading = asyncio.ensure_future(log.receive([6, 7], limit=10, wait=30))
    await log.send([command()])
    assert _envelopes(await reading) == [command()]


async def test_claim_returns_what_was_received_and_not_acknowledged(transport: Transport) -> None:
    process = transport.process()
    log = process.command_log
    await log.open([7])
    await log.send([command(number=number) for number in range(4)])
    received = await log.receive([7], limit=3, wait=0)
    await process.outbox.flush(Outgoing(acknowledged={7: [received[1].entry_id]}))
    assert await log.claim(7) == [received[0], received[2]]
    assert _envelopes(await log.receive([7], limit=3, wait=0)) == [command(number=3)]


async def test_a_new_owner_claims_and_goes_on_where_the_old_one_was(transport: Transport) -> None:
    old, new = transport.process(), transport.process()
    await old.command_log.open([7])
    await old.command_log.send([command(number=number) for number in range(3)])
    received = await old.command_log.receive([7], limit=2, wait=0)
    await new.command_log.open([7])
    assert await new.command_log.claim(7) == received
    assert _envelopes(await new.command_log.receive([7], limit=9, wait=0)) == [command(number=2)]


async def test_the_old_owner_receives_nothing_more(transport: Transport) -> None:
    old, new = transport.process(), transport.process()
    await old.command_log.open([7, 8])
    reading = asyncio.ensure_future(old.command_log.receive([7, 8], limit=1, wait=30))
    await transport.elapse(0.01)
    await new.command_log.open([7])
    with pytest.raises(TransportLost) as error:
        await reading
    assert error.value.partitions == {7}
    await new.command_log.send([command()])
    with pytest.raises(TransportLost):
        await old.command_log.receive([7, 8], limit=1, wait=0)
    assert await old.command_log.receive([8], limit=1, wait=0) == []
    assert _envelopes(await new.command_log.receive([7], limit=1, wait=0)) == [command()]


async def test_reads_of_different_partitions_do_not_hold_each_other_up(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([6, 7, 8])
    waiting = asyncio.ensure_future(log.receive([6], limit=1, wait=30))
    second = asyncio.ensure_future(log.receive([7], limit=1, wait=30))
    await log.send([command(7), command(8)])
    assert _envelopes(await second) == [command(7)]
    assert _envelopes(await log.receive([8], limit=1, wait=0)) == [command(8)]
    await log.send([command(6)])
    assert _envelopes(await waiting) == [command(6)]


async def test_a_cancelled_read_loses_no_command(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([7, 8])
    for number in range(20):
        reading = asyncio.ensure_future(log.receive([7, 8], limit=10, wait=30))
        await asyncio.sleep(0)
        sending = asyncio.ensure_future(log.send([command(number=number)]))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading, sending])
        delivered = [] if reading.cancelled() else [*reading.result()]
        delivered += await log.receive([7, 8], limit=10, wait=0)
        assert _envelopes(delivered) == [command(number=number)]


async def test_a_cancelled_read_leaves_others_alone_and_partitions_can_move_between_reads(
    transport: Transport,
) -> None:
    log = transport.process().command_log
    await log.open([6, 7])
    waiting = asyncio.ensure_future(log.receive([6], limit=9, wait=30))
    cancelled = asyncio.ensure_future(log.receive([7], limit=9, wait=30))
    await transport.elapse(0.001)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await log.open([8])
    await log.send([command(6, 1), command(7, 2), command(8, 3)])
    assert _envelopes(await waiting) == [command(6, 1)]
    await log.send([command(6, 4)])
    received = _envelopes(await log.receive([6, 7, 8], limit=9, wait=0))
    assert sorted(received, key=lambda each: each.partition) == [command(6, 4), command(7, 2), command(8, 3)]


async def test_loss_of_everything_is_noticed_by_a_waiting_reader(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([6, 7])
    reading = asyncio.ensure_future(log.receive([6, 7], limit=1, wait=30))
    await transport.elapse(0.01)
    await transport.lose_everything()
    with pytest.raises(TransportLost) as error:
        await reading
    assert error.value.partitions == {6, 7}


async def test_after_a_loss_the_log_is_opened_again(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([7])
    await transport.lose_everything()
    await log.send([command()])
    with pytest.raises(TransportLost):
        await log.receive([7], limit=1, wait=0)
    await log.open([7])
    assert _envelopes(await log.receive([7], limit=1, wait=0)) == [command()]


async def test_a_log_that_was_not_opened_cannot_be_read(transport: Transport) -> None:
    log = transport.process().command_log
    with pytest.raises(TransportLost):
        await log.receive([7], limit=1, wait=0)
    with pytest.raises(TransportLost):
        await log.claim(7)


async def test_depth_is_that_of_the_deepest_log(transport: Transport) -> None:
    log = transport.process().command_log
    await log.open([6, 7])
    await log.send([command(6), command(7), command(7)])
    await log.receive([7], limit=1, wait=0)
    assert await log.depth([6, 7]) == 2
    assert await log.depth([]) == 0
