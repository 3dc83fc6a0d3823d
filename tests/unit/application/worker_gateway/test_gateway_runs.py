from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.outcome import Completed, TaskReport
from flowmesh_core.application.worker_gateway.session import Offer
from flowmesh_core.domain.commands import CompleteTask, LoseTask, StartTask
from flowmesh_core.domain.errors import DecisionPending, StoreUnavailable
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import Outgoing
from tests.unit.application.worker_gateway.gateway_parts import queued
from tests.unit.application.worker_gateway.running_gateway import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.ports.task_queue import QueueName, TakenTask


async def test_a_task_travels_from_its_queue_to_its_acknowledgement() -> None:
    async with running() as world:
        connection, channel = await world.connect(credits=1)
        await world.queue_tasks(queued())
        [assignment] = channel.assigned
        await world.gateway.report(connection, [TaskReport(assignment.token, Completed(NULL), None)])
        [envelope] = await world.received()
        assert isinstance(envelope.command, CompleteTask)
        assert channel.answers == []
        await world.answer(envelope, Verdict.ACCEPTED)
        assert [answer.verdict for answer in channel.answers] == [Verdict.ACCEPTED]


async def test_tasks_that_waited_before_the_worker_came_are_found() -> None:
    async with running() as world:
        await world.queue_tasks(queued("a"), queued("b", "elsewhere"))
        _, channel = await world.connect(credits=5)
        assert [each.task.node_id for each in channel.assigned] == ["a"]


async def test_tasks_that_nobody_announced_are_found_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as world:
        _, channel = await world.connect(credits=5)
        await world.pass_time(1)
        monkeypatch.setattr(world.transport.arrivals, "publish", lambda *_: None)
        await world.queue_tasks(queued())
        assert channel.assigned == []
        await world.pass_time(5)
        assert len(channel.assigned) == 1


async def test_large_tasks_are_taken_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as world:
        large = Payload(b"x" * 1_000_000)
        await world.queue_tasks(*(queued(f"n{n}", input=large) for n in range(100)))
        limits: list[int] = []
        take = world.queue.take

        async def noted(gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
            limits.append(limit)
            return await take(gateway_id, queues, limit)

        monkeypatch.setattr(world.queue, "take", noted)
        _, channel = await world.connect(credits=200)
        assert len(channel.assigned) == 100
        assert limits == [50, *[8] * 7]


async def test_an_outage_of_redis_delays_and_loses_nothing() -> None:
    async with running() as world:
        connection, channel = await world.connect(credits=2)
        await world.queue_tasks(queued("a"))
        [assignment] = channel.assigned
        world.transport.available = False
        await world.gateway.report(connection, [TaskReport(assignment.token, Completed(NULL), None)])
        await world.pass_time(10)
        world.transport.available = True
        await world.queue_tasks(queued("b"))
        await world.pass_time(5)
        assert [each.task.node_id for each in channel.assigned] == ["a", "b"]
        kinds = {type(envelope.command) for envelope in await world.received()}
        assert kinds == {CompleteTask, StartTask}


async def test_a_take_that_fails_unexpectedly_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as world:
        take = world.queue.take
        failures = [ZeroDivisionError(), ValueError()]

        async def defective(gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
            if failures:
                raise failures.pop()
            return await take(gateway_id, queues, limit)

        monkeypatch.setattr(world.queue, "take", defective)
        _, channel = await world.connect(credits=1)
        await world.queue_tasks(queued())
        assert channel.assigned == []
        await world.pass_time(1)
        assert len(channel.assigned) == 1


async def test_unanswered_commands_are_sent_again_after_two_seconds() -> None:
    async with running() as world:
        connection, channel = await world.connect(credits=1)
        await world.queue_tasks(queued())
        await world.gateway.report(connection, [TaskReport(channel.assigned[0].token, Completed(NULL), None)])
        [first] = await world.received()
        await world.pass_time(1.9)
        assert await world.received() == []
        await world.pass_time(1.1)
        assert await world.received() == [first]


async def test_a_running_task_is_reported_after_a_tenth_of_a_second() -> None:
    async with running() as world:
        await world.connect(credits=2)
        await world.pass_time(3)
        await world.queue_tasks(queued("a"), queued("b"))
        await world.pass_time(0.09)
        assert await world.received() == []
        await world.pass_time(0.02)
        assert [type(envelope.command) for envelope in await world.received()] == [StartTask, StartTask]


async def test_workers_are_published_when_they_come_and_now_and_then() -> None:
    async with running() as world:
        await world.pass_time(60)
        assert world.transport.workers == {}, "a gateway without workers is silent"
        connection, _ = await world.connect()
        await world.pass_time(0.05)
        assert [worker.worker_id for worker in await world.registry.list("default")] == ["w1"]
        for _ in range(4):
            world.gateway.beat(connection, [], [])
            await world.pass_time(10)
        assert await world.registry.offered("default", ["work"]) == {"work"}
        world.gateway.disconnect(connection)
        await world.pass_time(0.05)
        assert await world.registry.list("default") == []


async def test_an_idle_gateway_asks_redis_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as world:
        connection, _ = await world.connect(credits=5)
        await world.pass_time(5)
        trips = 0

        def count() -> None:
            nonlocal trips
            trips += 1

        monkeypatch.setattr(world.transport, "require", count)
        for _ in range(6):
            world.gateway.beat(connection, [], [])
            await world.pass_time(10)
        assert trips <= 60 / 5 * 3


async def test_a_poll_that_is_given_up_hands_its_tasks_back() -> None:
    async with running() as world:
        hello = WorkerHello("p1", Offer("default", frozenset(["work"])), 5)
        poll = asyncio.create_task(world.gateway.calls.poll(hello, 5, 20.0))
        await world.settle()
        poll.cancel()
        await world.queue_tasks(queued())
        await asyncio.wait({poll})
        taken = [envelope.command for envelope in await world.received()]
        waiting = sum(len(queue.waiting) for queue in world.transport.queues.values())
        assert waiting == 1 or [type(command) for command in taken] == [LoseTask]


async def test_a_poll_ends_empty_after_its_wait() -> None:
    async with running() as world:
        hello = WorkerHello("p1", Offer("default", None), 5)
        poll = asyncio.create_task(world.gateway.calls.poll(hello, 5, 20.0))
        await world.pass_time(19)
        assert not poll.done()
        await world.pass_time(1)
        assert await poll == []


async def test_a_repeated_call_joins_the_decision_that_is_pending() -> None:
    async with running(decision_wait=1.0) as world:
        _, channel = await world.connect(credits=1)
        await world.queue_tasks(queued())
        report = TaskReport(channel.assigned[0].token, Completed(NULL), None)
        first = asyncio.create_task(world.gateway.calls.report(report))
        await world.pass_time(1)
        with pytest.raises(DecisionPending):
            await first
        second = asyncio.create_task(world.gateway.calls.report(report))
        [envelope] = await world.received()
        await world.answer(envelope, Verdict.ACCEPTED)
        await second


async def test_a_stopping_gateway_waits_for_its_workers_but_not_for_ever() -> None:
    async with running() as world:
        connection, channel = await world.connect(credits=5)
        stopping = asyncio.create_task(world.gateway.stop())
        await world.queue_tasks(queued())
        assert channel.went_away == 1.0
        assert channel.assigned == []
        await world.pass_time(4.9)
        assert not stopping.done()
        await world.pass_time(0.2)
        assert stopping.done()
        assert channel.closed_with == [None]
        world.gateway.disconnect(connection)


async def test_a_stopping_gateway_waits_for_answers_to_reports() -> None:
    async with running() as world:
        connection, channel = await world.connect(credits=5)
        await world.queue_tasks(queued())
        await world.gateway.report(connection, [TaskReport(channel.assigned[0].token, Completed(NULL), None)])
        stopping = asyncio.create_task(world.gateway.stop())
        [envelope] = await world.received()
        world.gateway.disconnect(connection)
        await world.pass_time(1)
        assert not stopping.done()
        await world.answer(envelope, Verdict.ACCEPTED)
        await world.pass_time(0.1)
        assert stopping.done()


async def test_a_gateway_that_ends_tells_its_streams() -> None:
    async with running() as world:
        _, channel = await world.connect()
    assert [type(error) for error in channel.closed_with] == [StoreUnavailable]


async def test_many_namespaces_are_heard_as_workers_come_and_go() -> None:
    async with running() as world:
        connection, _ = await world.connect()
        channels = {}
        for namespace in ("red", "blue"):
            _, channels[namespace] = await world.connect(namespace=namespace, credits=1)
        world.gateway.disconnect(connection)
        await world.pass_time(6)
        for namespace in ("red", "blue"):
            key = queued().key._replace(namespace=namespace)
            await world.queue_tasks(queued(key=key))
            assert len(channels[namespace].assigned) == 1


async def test_an_outage_while_tasks_arrive_is_made_up_for_at_once() -> None:
    async with running(look_interval=3600.0) as world:
        connection, channel = await world.connect()
        await world.queue_tasks(queued())
        world.transport.available = False
        world.gateway.grant(connection, 1)
        await world.pass_time(1)
        world.transport.available = True
        await world.pass_time(3)
        assert len(channel.assigned) == 1


async def test_tasks_announced_before_anybody_listened_are_found() -> None:
    async with running(look_interval=3600.0) as world:
        world.transport.available = False
        _, channel = await world.connect(credits=1)
        await world.pass_time(1)
        world.transport.available = True
        await world.outbox.flush(Outgoing(tasks=[queued()]))
        await world.pass_time(5)
        assert len(channel.assigned) == 1


async def test_workers_are_published_after_an_outage() -> None:
    async with running(presence_interval=3600.0) as world:
        world.transport.available = False
        await world.connect()
        await world.pass_time(5)
        world.transport.available = True
        await world.pass_time(5)
        assert len(await world.registry.list("default")) == 1


async def test_reports_wait_while_too_many_are_undecided() -> None:
    async with running(maximum_undecided=2) as world:
        connection, channel = await world.connect(credits=3)
        await world.queue_tasks(queued("a"), queued("b"), queued("c"))
        reports = [TaskReport(each.token, Completed(NULL), None) for each in channel.assigned]
        await world.gateway.report(connection, reports[:2])
        third = asyncio.create_task(world.gateway.report(connection, reports[2:]))
        first, _ = await world.received()
        assert not third.done()
        await world.answer(first, Verdict.ACCEPTED)
        await third
        assert len(await world.received()) == 1


async def test_reports_do_not_wait_for_ever() -> None:
    async with running(maximum_undecided=1, decision_wait=10.0, lease_ttl=8.0) as world:
        connection, channel = await world.connect(credits=2)
        await world.queue_tasks(queued("a"), queued("b"))
        reports = [TaskReport(each.token, Completed(NULL), None) for each in channel.assigned]
        await world.gateway.report(connection, reports[:1])
        waiting = asyncio.create_task(world.gateway.report(connection, reports[1:]))
        await world.pass_time(3.9)
        assert not waiting.done()
        await world.pass_time(0.2)
        with pytest.raises(DecisionPending) as raised:
            await waiting
        assert raised.value.retry_after == 1.0
        assert [held.token for held in connection.session.held.values()] == [r.token for r in reports]


async def test_a_poll_may_wait_for_longer_than_a_lease() -> None:
    async with running(lease_ttl=5.0) as world:
        hello = WorkerHello("p1", Offer("default", None), 5)
        poll = asyncio.create_task(world.gateway.calls.poll(hello, 5, 60.0))
        await world.pass_time(50)
        assert len(await world.registry.list("default")) == 1
        await world.queue_tasks(queued())
        assert len(await poll) == 1
        assert not [e for e in await world.received() if isinstance(e.command, LoseTask)]
