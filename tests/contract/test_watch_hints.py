from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.ports.outbox import Outgoing
from tests.contract.transports import execution

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from flowmesh_core.domain.identity import ExecutionKey
    from tests.contract.transports import Transport


async def _news(hints: AsyncIterator[Mapping[ExecutionKey, int]]) -> Mapping[ExecutionKey, int]:
    while not (hint := await anext(hints)):
        pass
    return hint


async def test_every_subscriber_of_a_partition_hears(transport: Transport) -> None:
    process, other = transport.process(), transport.process()
    async with process.watch_hints.subscribe(7) as first, other.watch_hints.subscribe(7) as second:
        await process.outbox.flush(Outgoing(changed={7: {execution(1): 4, execution(2): 9}}))
        assert await _news(first) == {execution(1): 4, execution(2): 9}
        assert await _news(second) == {execution(1): 4, execution(2): 9}


async def test_a_slow_subscriber_learns_that_it_missed_something(transport: Transport) -> None:
    process = transport.process()
    async with process.watch_hints.subscribe(7) as hints, process.watch_hints.subscribe(7) as quick:
        for sequence in range(1, 1_202):
            await process.outbox.flush(Outgoing(changed={7: {execution(1): sequence}}))
            await _news(quick)
        assert await anext(hints) == {}
        assert (await _news(hints))[execution(1)] > 1


async def test_leaving_one_subscription_keeps_the_others(transport: Transport) -> None:
    process = transport.process()
    async with process.watch_hints.subscribe(7) as hints:
        async with process.watch_hints.subscribe(7):
            pass
        await process.outbox.flush(Outgoing(changed={7: {execution(1): 1}}))
        assert await _news(hints) == {execution(1): 1}


async def _closed(closings: AsyncIterator[Collection[ExecutionKey]]) -> Collection[ExecutionKey]:
    while not (batch := await anext(closings)):
        pass
    return batch


async def test_closings_are_heard_of_all_partitions(transport: Transport) -> None:
    process, other = transport.process(), transport.process()
    async with process.watch_hints.closings() as first, other.watch_hints.closings() as second:
        await process.outbox.flush(Outgoing(changed={7: {execution(1): 4}}))
        await process.outbox.flush(Outgoing(closed={7: [execution(1)], 9: [execution(2), execution(3)]}))
        for closings in (first, second):
            assert set(await _closed(closings)) == {execution(1), execution(2), execution(3)}
