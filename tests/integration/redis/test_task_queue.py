from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh_core.adapters.redis import keys
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.outbox import Outgoing
from flowmesh_core.ports.task_queue import QueueName
from tests.contract.transports import task
from tests.integration.redis.faults import cut_connections

if TYPE_CHECKING:
    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.outbox import QueuedTask
    from tests.contract.transports import OnRedis

RESIZE = QueueName("default", "resize")


async def test_tasks_of_a_take_whose_answer_was_lost_come_with_the_next(transport: OnRedis) -> None:
    process, shadow = transport.process(), transport.process()
    await process.outbox.flush(Outgoing(tasks=[task(number) for number in range(6)]))
    first = await process.task_queue.take("gateway", [RESIZE], 1)
    moved = await shadow.task_queue.take("other", [RESIZE], 1)
    await shadow.task_queue.take("gateway", [RESIZE], 2)  # stands for a take whose answer is lost
    await process.task_queue.transfer([moved[0].entry], "gateway")
    taking = asyncio.ensure_future(process.task_queue.take("gateway", [RESIZE], 1))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    second = await process.task_queue.take("gateway", [RESIZE], 1)
    third = await process.task_queue.take("gateway", [RESIZE], 10)
    fourth = await process.task_queue.take("gateway", [RESIZE], 10)
    given = [*first, *second, *third, *fourth]
    assert [each.task for each in given] == [task(number) for number in (0, 2, 3, 4, 5)]


async def test_a_connection_cut_during_takes_loses_no_task(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    tasks = [task(number) for number in range(2_000)]
    await process.outbox.flush(Outgoing(tasks=tasks))
    seen: list[QueuedTask] = []
    cuts = 0
    while len(seen) < len(tasks):
        taking = asyncio.ensure_future(process.task_queue.take("gateway", [RESIZE], 100))
        if len(seen) % 200 == 0 and cuts < 20:
            await cut_connections(operator, "normal")
            cuts += 1
        try:
            seen += [each.task for each in await taking]
        except StoreUnavailable:
            continue
    assert seen == tasks


async def test_what_cannot_be_decoded_is_parked_and_holds_nothing_up(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    await process.outbox.flush(Outgoing(tasks=[task(1)]))
    newer = b"\x93\xcc\xfa\x01\x01"
    await operator.call("XADD", keys.tasks("default", "resize"), "*", keys.BODY_FIELD, newer)
    await process.outbox.flush(Outgoing(tasks=[task(2)]))
    taken = await process.task_queue.take("gateway", [RESIZE], 10)
    assert [each.task for each in taken] == [task(1), task(2)]
    assert await process.task_queue.abandoned("gateway", 10) == taken
    assert await operator.call("XLEN", keys.parked_tasks("default")) == 1


async def test_a_queue_that_cannot_be_read_holds_up_no_other(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    names = [QueueName("default", handler) for handler in ("first", "broken", "last")]
    await process.outbox.flush(Outgoing(tasks=[task(1, "first"), task(2, "last")]))
    await operator.call("SET", keys.tasks("default", "broken"), "of another type")
    taken = await process.task_queue.take("gateway", names, 10)
    assert [each.task for each in taken] == [task(1, "first"), task(2, "last")]
    assert transport.telemetry.counts["flowmesh.failures.unexpected"] == 1


async def test_a_namespace_with_thousands_of_handlers_is_cleaned_up(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    entries = await process.outbox.flush(
        Outgoing(tasks=[task(number, f"handler-{number}") for number in range(2_000)])
    )
    await process.task_queue.remove(entries[:1_999])
    await transport.elapse(0.002)
    assert await process.task_queue.remove_idle(0) == 1_999
    assert await process.task_queue.queue_names("default") == [QueueName("default", "handler-1999")]
    assert await operator.call("EXISTS", keys.tasks("default", "handler-0")) == 0


async def test_entries_that_vanished_from_a_stream_are_not_pending_for_ever(
    transport: OnRedis, operator: RedisClient
) -> None:
    process = transport.process()
    await process.outbox.flush(Outgoing(tasks=[task()]))
    [taken] = await process.task_queue.take("gateway", [RESIZE], 1)
    await operator.call("XDEL", keys.tasks("default", "resize"), taken.entry.entry_id)
    assert await process.task_queue.abandoned("gateway", 10) == []
    await process.task_queue.forget_gateway("gateway")
    assert set(await process.task_queue.gateways()) == set()


async def test_arrivals_go_on_after_a_broken_connection(transport: OnRedis, operator: RedisClient) -> None:
    process = transport.process()
    async with process.task_queue.arrivals(["default"]) as arrivals:
        assert await cut_connections(operator, "pubsub") == 1
        heard = asyncio.ensure_future(anext(arrivals))
        number = 0
        while not heard.done():
            number += 1
            await process.outbox.flush(Outgoing(tasks=[task(number)]))
        assert await heard == RESIZE
