"""What an owner tells about its decisions."""

from __future__ import annotations

from flowmesh_core.adapters.memory.telemetry import RecordedSpan
from flowmesh_core.domain.identity import partition_of
from flowmesh_core.ports.command_log import CommandEnvelope

from .faults import ForgetfulHistory
from .world import PARTITIONS, Owner, World, chain, completion, node

SUBMISSION = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TASK = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
UNSAMPLED = f"{SUBMISSION[:-2]}00"


def shown(span: RecordedSpan) -> tuple[object, str]:
    return span.attributes["flowmesh.command"], span.parent


async def test_a_decision_is_a_child_of_what_asked_for_it(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"), traceparent=SUBMISSION)
    await owner.work()
    (taken,) = await world.take()
    assert taken.task.traceparent == SUBMISSION
    partition = partition_of(key, PARTITIONS)
    await world.log.send([CommandEnvelope(partition, completion(taken), traceparent=TASK)])
    await owner.work()
    assert list(map(shown, world.telemetry.spans)) == [("StartExecution", SUBMISSION), ("CompleteTask", TASK)]
    assert all(span.ended and not span.problem for span in world.telemetry.spans)
    assert world.telemetry.spans[1].attributes == {
        "flowmesh.namespace": key.namespace,
        "flowmesh.execution_id": key.execution_id,
        "flowmesh.command": "CompleteTask",
        "flowmesh.node_id": "a",
        "flowmesh.attempt": 1,
        "flowmesh.verdict": "ACCEPTED",
    }


async def test_what_the_owner_asks_itself_belongs_to_the_submission(world: World, owner: Owner) -> None:
    await world.submit(node("a"), traceparent=SUBMISSION)
    await owner.work()
    (taken,) = await world.take()
    await world.fail(taken)
    await owner.work()
    world.clock.advance(1)
    await owner.work()
    assert list(map(shown, world.telemetry.spans)) == [
        ("StartExecution", SUBMISSION),
        ("FailTask", SUBMISSION),
        ("RetryTask", SUBMISSION),
    ]


async def test_a_trace_that_is_not_recorded_has_no_steps(world: World, owner: Owner) -> None:
    await world.submit(node("a"), traceparent=UNSAMPLED)
    await world.submit(node("a"))
    await owner.work()
    assert world.telemetry.spans == []


async def test_a_batch_that_is_void_has_failed(world: World) -> None:
    history = ForgetfulHistory(world.database)
    owner = await Owner(world, history=history).join()
    history.failures = 1
    await world.submit(node("a"), traceparent=SUBMISSION)
    await owner.work()
    assert [span.problem for span in world.telemetry.spans] == ["StoreUnavailable", ""]
    assert all(span.ended for span in world.telemetry.spans)


async def test_only_what_is_durable_is_counted(world: World) -> None:
    history = ForgetfulHistory(world.database)
    owner = await Owner(world, history=history).join()
    history.failures = 1
    await world.submit(*chain("a", "b"))
    for node_id in ("a", "b"):
        await owner.work()
        (taken,) = await world.take()
        assert taken.task.node_id == node_id
        await world.complete(taken)
        await world.complete(taken)
    await owner.work()
    counts = world.telemetry.counts
    assert counts["flowmesh.tasks.dispatched"] == 2
    assert counts["flowmesh.tasks.completed"] == 2
    assert counts["flowmesh.executions.closed"] == 1
    assert sum(world.telemetry.measures["flowmesh.events.per_append"]) == 6


async def test_attempts_that_fail_are_counted_with_their_node(world: World, owner: Owner) -> None:
    await world.submit(node("a"))
    for _ in range(3):
        await owner.work()
        (taken,) = await world.take()
        await world.fail(taken)
        await owner.work()
        world.clock.advance(2)
        await owner.renew()
    await owner.work()
    assert world.telemetry.counts["flowmesh.tasks.failed"] == 3
    assert world.telemetry.counts["flowmesh.executions.closed"] == 1


async def test_partitions_and_executions_are_levels(world: World, owner: Owner) -> None:
    await world.submit(node("a"))
    await owner.work()
    await owner.partitions.look()
    assert world.telemetry.levels["flowmesh.partitions.owned"] == PARTITIONS
    assert world.telemetry.levels["flowmesh.executions.open"] == 1
