from __future__ import annotations

from dataclasses import replace

from flowmesh_core.domain.commands import CancelExecution, CompleteTask
from flowmesh_core.domain.events import NodeFailed
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.outbox import CancelNotice, Reply

from .world import PARTITIONS, Owner, World, chain, node


async def test_a_chain_runs_to_its_end(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b", "c"))
    for node_id in ("a", "b", "c"):
        await owner.work()
        (taken,) = await world.take()
        assert taken.task.node_id == node_id
        await world.complete(taken)
    await owner.work()
    assert await world.status(key) is ExecutionStatus.COMPLETED
    assert [event.sequence for event in await world.events(key)] == list(range(1, 9))
    assert await world.outbox.dispatched(partition_of(key, PARTITIONS)) == {}


async def test_what_is_done_leaves_log_queue_and_memory(world: World, owner: Owner) -> None:
    await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    await owner.work()
    assert await world.log.depth(range(PARTITIONS)) == 0
    assert await world.queue.abandoned("gateway", 10) == []
    assert owner.lane.open_executions == 0


async def test_two_reports_in_one_batch_decide_their_child_once(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"), node("b"), node("c", "a", "b"))
    await owner.work()
    for taken in await world.take():
        await world.complete(taken)
    await owner.work()
    (taken,) = await world.take()
    assert taken.task.node_id == "c"
    assert (await world.kinds(key)).count("NodeScheduled") == 3


async def test_a_repeated_report_changes_nothing_and_is_answered_again(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    (taken,) = await world.take()
    async with world.mailbox.open("gateway") as inbox:
        for _ in range(3):
            await world.complete(taken, reply_to="gateway")
        await owner.work()
        replies = await anext(inbox)
    assert list(replies) == [Reply("id", Verdict.ACCEPTED, ExecutionStatus.RUNNING)] * 3
    assert (await world.kinds(key)).count("NodeCompleted") == 1


async def test_a_report_for_a_closed_execution_is_answered_from_its_history(
    world: World, owner: Owner
) -> None:
    await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    await owner.work()
    async with world.mailbox.open("gateway") as inbox:
        await world.complete(taken, reply_to="gateway")
        await owner.work()
        (reply,) = await anext(inbox)
    assert reply == Reply("id", Verdict.ACCEPTED, ExecutionStatus.COMPLETED)
    assert owner.lane.open_executions == 0


async def test_an_unknown_execution_is_answered_so(world: World, owner: Owner) -> None:
    key = ExecutionKey("default", "nobody")
    command = CompleteTask(key, "a", 1, NULL, "worker", None)
    async with world.mailbox.open("gateway") as inbox:
        await world.log.send([CommandEnvelope(partition_of(key, PARTITIONS), command, "gateway", "id")])
        await owner.work()
        (reply,) = await anext(inbox)
    assert reply == Reply("id", Verdict.UNKNOWN, None)
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_a_command_by_a_wrong_partition_touches_nothing(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    wrong = (partition_of(key, PARTITIONS) + 1) % PARTITIONS
    command = CompleteTask(key, "a", 1, NULL, "worker", None)
    await world.log.send([CommandEnvelope(wrong, command)])
    await owner.work()
    assert "NodeCompleted" not in await world.kinds(key)
    await world.send(CancelExecution(key, "enough", Micros(SECOND)))
    await owner.work()
    assert await world.take() == [], "it still knows where the task lies"


async def test_a_cancel_withdraws_what_waits_in_the_queue(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    await world.send(CancelExecution(key, "enough", Micros(SECOND)))
    await owner.work()
    assert await world.status(key) is ExecutionStatus.CANCELLED
    assert await world.take() == []


async def test_a_cancel_in_the_batch_of_the_start_queues_nothing(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"))
    await world.send(CancelExecution(key, "enough", Micros(SECOND)))
    await owner.work()
    assert await world.status(key) is ExecutionStatus.CANCELLED
    assert await world.take() == []


async def test_a_cancel_asks_the_gateway_and_its_grace_ends(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.start(taken)
    await owner.work()
    async with world.mailbox.open("gateway") as inbox:
        await world.send(CancelExecution(key, "enough", Micros(5 * SECOND)))
        await owner.work()
        messages = await anext(inbox)
    assert list(messages) == [CancelNotice(key, "a", 1)]
    assert await world.status(key) is ExecutionStatus.CANCELLING
    world.clock.advance(4.0)
    await owner.renew()
    await owner.work()
    assert await world.status(key) is ExecutionStatus.CANCELLING
    world.clock.advance(1.0)
    await owner.work()
    assert await world.status(key) is ExecutionStatus.CANCELLED


async def test_a_failed_attempt_is_tried_again_when_its_time_has_come(world: World, owner: Owner) -> None:
    await world.submit(node("a"))
    await owner.work()
    (first,) = await world.take()
    await world.fail(first)
    await owner.work()
    world.clock.advance(0.9)
    await owner.work()
    assert await world.take() == []
    world.clock.advance(0.1)
    await owner.work()
    (second,) = await world.take()
    assert second.task.attempt == 2
    assert await world.queue.abandoned("gateway", 10) == [second]


async def test_the_dispatch_window_bounds_what_is_in_flight(world: World) -> None:
    owner = await Owner(world, window=3).join()
    await world.submit(*(node(f"n{number}") for number in range(7)))
    await owner.work()
    done = 0
    while taken := await world.take():
        assert len(taken) <= 3
        done += len(taken)
        for each in taken:
            await world.complete(each)
        await owner.work()
    assert done == 7


async def test_an_execution_that_cannot_be_loaded_stops_no_other(world: World, owner: Owner) -> None:
    broken = await world.submit(node("a"))
    world.database.definitions.clear()
    good = await world.submit(node("b"))
    await owner.work()
    assert await world.status(broken) is ExecutionStatus.PENDING
    assert await world.status(good) is ExecutionStatus.RUNNING


async def test_an_execution_whose_condition_is_not_valid_any_more_fails_and_says_why(
    world: World, owner: Owner
) -> None:
    key = await world.submit(replace(node("a"), condition="nodes.size() > 1"), node("b"))
    await owner.work()
    assert await world.status(key) is ExecutionStatus.FAILED
    failed = next(event for event in await world.events(key) if isinstance(event, NodeFailed))
    assert failed.failure.error_type == "ExpressionError"
    assert failed.failure.message.startswith("the condition is not valid any more")


async def test_a_command_that_cannot_be_decided_stops_nothing_else(world: World, owner: Owner) -> None:
    poisoned = await world.submit(replace(node("a"), condition="1 + 1 == 2"))
    good = await world.submit(*chain("a", "b"))
    await owner.work()
    assert await world.kinds(poisoned) == []
    assert await world.status(good) is ExecutionStatus.RUNNING
    assert await world.log.depth(range(PARTITIONS)) == 0
    assert world.telemetry.counts["flowmesh.commands.poisoned"] == 1


async def test_an_execution_goes_on_behind_a_command_that_cannot_be_decided(
    world: World, owner: Owner
) -> None:
    key = await world.submit(node("a"), node("b"), replace(node("c", "a"), condition="1 + 1 == 2"))
    await owner.work()
    first, second = await world.take()
    await world.complete(first)
    await world.complete(second)
    await owner.work()
    assert await world.kinds(key) == ["ExecutionStarted", "NodeScheduled", "NodeScheduled", "NodeCompleted"]
    assert [event.sequence for event in await world.events(key)] == [1, 2, 3, 4]
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_what_counts_as_dispatched_is_never_ahead_of_the_history(world: World, owner: Owner) -> None:
    broken = replace(node("c", "a"), condition="1 + 1 == 2")
    key = await world.submit(node("a"), node("b"), broken, node("d", "b"))
    await owner.work()
    first, second = await world.take()
    await world.complete(second)
    await world.complete(first)
    await owner.work(turns=1)
    marks = await world.outbox.dispatched(partition_of(key, PARTITIONS))
    assert marks[key] == (await world.events(key))[-1].sequence
