from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh_core.ports.outbox import Outgoing
from flowmesh_core.ports.task_queue import QueueName
from tests.contract.transports import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.ports.command_log import QueueEntry
    from flowmesh_core.ports.outbox import QueuedTask
    from flowmesh_core.ports.task_queue import TakenTask
    from tests.contract.transports import Process, Transport

RESIZE = QueueName("default", "resize")
BLUR = QueueName("default", "blur")


async def _queue(process: Process, *tasks: QueuedTask) -> Sequence[QueueEntry]:
    return await process.outbox.flush(Outgoing(tasks=tasks))


def _tasks(taken: Sequence[TakenTask]) -> list[QueuedTask]:
    return [each.task for each in taken]


async def test_each_task_is_taken_once_first_in_first_out(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, *(task(number) for number in range(5)))
    first = await process.task_queue.take("a", [RESIZE], 2)
    second = await process.task_queue.take("b", [RESIZE], 2)
    third = await process.task_queue.take("a", [RESIZE], 2)
    assert _tasks([*first, *second, *third]) == [task(number) for number in range(5)]
    assert await process.task_queue.take("a", [RESIZE], 2) == []


async def test_nothing_is_taken_when_nothing_is_wanted(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1))
    assert await process.task_queue.take("a", [RESIZE], 0) == []
    assert _tasks(await process.task_queue.take("a", [RESIZE], 1)) == [task(1)]


async def test_a_cancelled_take_loses_no_task(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, *(task(number) for number in range(40)))
    taken: list[QueuedTask] = []
    for number in range(20):
        taking = asyncio.ensure_future(process.task_queue.take("a", [RESIZE], 1))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        taken += [] if taking.cancelled() else _tasks(taking.result())
        taken += _tasks(await process.task_queue.take("a", [RESIZE], 1))
    taken += _tasks(await process.task_queue.take("a", [RESIZE], 40))
    assert taken == [task(number) for number in range(40)]


async def test_the_limit_is_over_all_queues_in_their_order(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1), task(2, "blur"), task(3), task(4, "blur"), task(5, namespace="other"))
    queues = [BLUR, QueueName("other", "resize"), RESIZE]
    assert _tasks(await process.task_queue.take("a", queues, 4)) == [
        task(2, "blur"),
        task(4, "blur"),
        task(5, namespace="other"),
        task(1),
    ]
    assert _tasks(await process.task_queue.take("a", queues, 4)) == [task(3)]


async def test_queues_that_do_not_exist_are_empty_and_stay_unmade(transport: Transport) -> None:
    process = transport.process()
    names = [QueueName("default", f"handler-{number}") for number in range(100)]
    assert await process.task_queue.take("a", names, 10) == []
    assert await process.task_queue.take("a", [], 10) == []
    assert await process.task_queue.queue_names("default") == []


async def test_at_most_64_queues_are_looked_at(transport: Transport) -> None:
    process = transport.process()
    names = [QueueName("default", f"handler-{number}") for number in range(65)]
    await _queue(process, task(1, "handler-63"), task(2, "handler-64"))
    assert _tasks(await process.task_queue.take("a", names, 10)) == [task(1, "handler-63")]


async def test_queue_names_are_those_of_the_namespace(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1), task(2, "blur"), task(3, namespace="other"))
    assert await process.task_queue.queue_names("default") == [BLUR, RESIZE]
    assert await process.task_queue.queue_names("nowhere") == []


async def test_arrivals_name_the_queues_that_got_tasks(transport: Transport) -> None:
    process = transport.process()
    async with process.task_queue.arrivals(["default", "other"]) as arrivals:
        await _queue(process, task(1), task(2), task(3, "blur"), task(4, namespace="unheard"))
        await _queue(process, task(5, namespace="other"))
        heard = [await anext(arrivals) for _ in range(3)]
    assert heard == [RESIZE, BLUR, QueueName("other", "resize")]


async def test_taken_tasks_are_pending_until_removed(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1), task(2), task(3, "blur"))
    taken = await process.task_queue.take("dead", [RESIZE, BLUR], 10)
    found = await process.task_queue.abandoned("dead", 10)
    assert sorted(found, key=str) == sorted(taken, key=str)
    assert len(await process.task_queue.abandoned("dead", 2)) == 2
    await process.task_queue.remove([each.entry for each in taken[:2]])
    assert await process.task_queue.abandoned("dead", 10) == [taken[2]]
    assert await process.task_queue.abandoned("other", 10) == []


async def test_abandoned_tasks_are_read_on_from_a_place(transport: Transport) -> None:
    process = transport.process()
    numbered = [task(1), task(2, "blur"), task(3), task(4, namespace="another"), task(5), task(6, "blur")]
    await _queue(process, *numbered)
    await process.task_queue.take("dead", [RESIZE, BLUR, QueueName("another", "resize")], 10)
    found: list[TakenTask] = []
    while page := await process.task_queue.abandoned("dead", 2, found[-1].entry if found else None):
        assert len(page) == 2
        found += page
    assert [each.task for each in found] == [numbered[number - 1] for number in (4, 2, 6, 1, 3, 5)]
    await process.task_queue.remove([found[2].entry])
    assert await process.task_queue.abandoned("dead", 10, found[2].entry) == found[3:], "the place is gone"


async def test_any_number_of_abandoned_tasks_is_found(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, *(task(number) for number in range(2_500)))
    taken = await process.task_queue.take("dead", [RESIZE], 2_500)
    assert await process.task_queue.abandoned("dead", 10_000) == taken
    assert await process.task_queue.abandoned("dead", 2_400) == taken[:2_400]


async def test_transferred_tasks_change_hands(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1), task(2))
    taken = await process.task_queue.take("old", [RESIZE], 10)
    await process.task_queue.remove([taken[1].entry])
    await process.task_queue.transfer([each.entry for each in taken], "new")
    assert await process.task_queue.abandoned("old", 10) == []
    assert await process.task_queue.abandoned("new", 10) == [taken[0]]
    assert await process.task_queue.take("new", [RESIZE], 10) == []


async def test_transfer_passes_over_what_is_gone(transport: Transport) -> None:
    process = transport.process()
    entries = await _queue(process, task(1))
    await transport.lose_everything()
    await process.task_queue.transfer(entries, "new")
    await process.task_queue.transfer([], "new")
    assert await process.task_queue.abandoned("new", 10) == []


async def test_gateways_are_known_until_forgotten(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1))
    taken = await process.task_queue.take("a", [RESIZE], 10)
    await process.task_queue.take("b", [RESIZE], 10)
    assert set(await process.task_queue.gateways()) == {"a", "b"}
    await process.task_queue.forget_gateway("b")
    assert set(await process.task_queue.gateways()) == {"a"}
    await process.task_queue.remove([each.entry for each in taken])
    await process.task_queue.forget_gateway("a")
    assert set(await process.task_queue.gateways()) == set()


async def test_a_gateway_with_pending_tasks_is_not_forgotten(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1))
    taken = await process.task_queue.take("a", [RESIZE], 10)
    await process.task_queue.forget_gateway("a")
    assert set(await process.task_queue.gateways()) == {"a"}
    assert await process.task_queue.abandoned("a", 10) == taken


async def test_idle_queues_are_removed_and_come_back(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1), task(2, "blur"), task(3, "held"), task(4, namespace="other"))
    done = [*await process.task_queue.take("a", [RESIZE, QueueName("other", "resize")], 10)]
    await process.task_queue.take("a", [QueueName("default", "held")], 10)
    await process.task_queue.remove([each.entry for each in done])
    assert await process.task_queue.remove_idle(3600) == 0
    await transport.elapse(0.01)
    assert await process.task_queue.remove_idle(0) == 2
    assert await process.task_queue.queue_names("other") == []
    assert await process.task_queue.queue_names("default") == [BLUR, QueueName("default", "held")]
    await _queue(process, task(4))
    assert _tasks(await process.task_queue.take("a", [RESIZE], 10)) == [task(4)]


async def test_a_loss_of_everything_leaves_empty_queues(transport: Transport) -> None:
    process = transport.process()
    await _queue(process, task(1))
    await transport.lose_everything()
    assert await process.task_queue.take("a", [RESIZE], 10) == []
    await _queue(process, task(2))
    assert _tasks(await process.task_queue.take("a", [RESIZE], 10)) == [task(2)]
