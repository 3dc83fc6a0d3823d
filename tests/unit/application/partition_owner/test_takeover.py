from __future__ import annotations

import pytest

from flowmesh_core.application.partition_owner.settings import OwnerSettings
from flowmesh_core.domain.commands import CancelExecution
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.membership import Member, Role
from flowmesh_core.ports.outbox import Outgoing

from .faults import (
    BreakingOutbox,
    ChokingHistory,
    DefectiveMembership,
    DefectiveOutbox,
    ForgetfulHistory,
    NarrowHistory,
    UncertainHistory,
    UnreadableExecutions,
)
from .world import (
    PARTITIONS,
    TTL,
    Owner,
    World,
    chain,
    completion,
    node,
)


async def test_partitions_are_shared_fairly_and_handed_back(world: World, owner: Owner) -> None:
    assert await owner.owned() == [0, 1, 2, 3]
    other = await Owner(world, "other").join()
    assert await other.owned() == []
    await owner.partitions.look()
    await other.partitions.look()
    assert len(await owner.owned()) == len(await other.owned()) == PARTITIONS // 2
    third = await Owner(world, "third").join()
    for each in (owner, other, third):
        await each.partitions.look()
    assert len(await owner.owned()) == len(await other.owned()) == 2, "ceil(4 / 3)"


async def test_every_partition_is_served_while_it_moves(world: World, owner: Owner) -> None:
    keys = [await world.submit(*chain("a", "b")) for _ in range(20)]
    await owner.work()
    other = await Owner(world, "other").join()
    await owner.partitions.look()
    await other.partitions.look()
    for _ in range(2):
        for taken in await world.take():
            await world.complete(taken)
        await owner.work()
        await other.work()
    assert [await world.status(key) for key in keys] == [ExecutionStatus.COMPLETED] * len(keys)
    assert all([(await world.kinds(key)).count("NodeScheduled") == 2 for key in keys])


async def test_a_dead_owner_is_followed_by_another_midway(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    (second,) = await world.take()
    assert second.task.node_id == "b"
    await world.complete(second)
    await heir.work()
    assert await world.status(key) is ExecutionStatus.COMPLETED
    assert "NodeAttemptLost" not in await world.kinds(key)


async def test_what_a_dead_owner_received_is_claimed(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    assert len(await owner.log.receive(range(PARTITIONS), limit=10, wait=0)) == 1
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    assert await world.status(key) is ExecutionStatus.COMPLETED


async def test_a_paused_owner_whose_lease_ran_out_writes_nothing(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    (taken,) = await world.take()
    world.clock.advance(TTL * 0.9)
    await world.complete(taken)
    await owner.lane.turn()
    assert "NodeCompleted" not in await world.kinds(key)


async def test_a_zombie_is_fenced_by_the_epoch(world: World, owner: Owner) -> None:
    key = await world.submit(*chain("a", "b"))
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    # Its own clock stood still, and it had received the report before it was paused.
    owner.lease.extend(world.clock.monotonic())
    await owner.decide(completion(taken))
    assert "NodeCompleted" not in await world.kinds(key)
    assert await world.outbox.dispatched(partition_of(key, PARTITIONS)) == {key: 2}
    await heir.work()
    await owner.work()
    assert (await world.kinds(key)).count("NodeCompleted") == 1
    assert await owner.owned() == []
    assert owner.lane.open_executions == 0
    assert all(log.reader is heir.log for log in world.transport.logs.values())


async def test_a_crash_between_append_and_flush_dispatches_again(world: World) -> None:
    outbox = BreakingOutbox(world.transport)
    owner = await Owner(world, outbox=outbox).join()
    key = await world.submit(*chain("a", "b"))
    outbox.failures = 1
    await owner.lane.turn()
    assert await world.kinds(key) == ["ExecutionStarted", "NodeScheduled"]
    assert await world.take() == []
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    (taken,) = await world.take()
    assert (taken.task.node_id, taken.task.attempt) == ("a", 2)
    assert await world.kinds(key) == ["ExecutionStarted", "NodeScheduled", "NodeAttemptLost", "NodeScheduled"]


async def test_an_owner_that_could_not_flush_goes_on_by_itself(world: World) -> None:
    outbox = BreakingOutbox(world.transport)
    owner = await Owner(world, outbox=outbox).join()
    key = await world.submit(node("a"))
    outbox.failures = 2
    await owner.work()
    (taken,) = await world.take()
    await world.complete(taken)
    await owner.work()
    assert await world.status(key) is ExecutionStatus.COMPLETED
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_an_append_that_was_committed_without_an_answer_is_not_repeated(world: World) -> None:
    history = UncertainHistory(world.database)
    owner = await Owner(world, history=history).join()
    key = await world.submit(node("a"))
    history.failures = 1
    await owner.work()
    assert (await world.kinds(key)).count("ExecutionStarted") == 1
    (taken,) = await world.take()
    await world.complete(taken)
    await owner.work()
    assert await world.status(key) is ExecutionStatus.COMPLETED


async def test_an_append_that_was_not_run_is_decided_anew(world: World) -> None:
    history = ForgetfulHistory(world.database)
    owner = await Owner(world, history=history).join()
    key = await world.submit(node("a"))
    history.failures = 3
    await owner.work()
    assert await world.kinds(key) == ["ExecutionStarted", "NodeScheduled"]


async def test_a_batch_that_is_too_much_for_the_store_is_tried_in_smaller_ones(world: World) -> None:
    history = NarrowHistory(world.database)
    owner = await Owner(world, history=history).join()
    keys = [await world.submit(node("a")) for _ in range(200)]
    await owner.work(turns=40)
    statuses = {await world.status(key) for key in keys}
    assert statuses == {ExecutionStatus.RUNNING}
    assert len(history.widths) < 60, "batches grow again"


async def test_a_command_that_can_never_be_appended_does_not_hold_its_partition_up(world: World) -> None:
    history = ChokingHistory(world.database)
    owner = await Owner(world, history=history).join()
    keys = [await world.submit(node("a")) for _ in range(30)]
    history.refused = keys[13]
    await owner.work(turns=40)
    statuses = {key: await world.status(key) for key in keys}
    assert statuses.pop(keys[13]) is ExecutionStatus.PENDING
    assert set(statuses.values()) == {ExecutionStatus.RUNNING}
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_retry_timers_survive_a_takeover(world: World, owner: Owner) -> None:
    await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.fail(taken)
    await owner.work()
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    (second,) = await world.take()
    assert second.task.attempt == 2


async def test_the_grace_of_a_cancel_survives_a_takeover(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take()
    await world.start(taken)
    await world.send(CancelExecution(key, "enough", Micros(SECOND)))
    await owner.work()
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    assert await world.status(key) is ExecutionStatus.CANCELLED


async def test_a_flushed_transport_loses_nothing(world: World, owner: Owner) -> None:
    keys = [await world.submit(*chain("a", "b")) for _ in range(10)]
    await owner.work()
    world.transport.lose_everything()
    await owner.work()
    taken = await world.take()
    assert sorted(each.task.key for each in taken) == sorted(keys)
    for each in taken:
        await world.complete(each)
    await owner.work()
    for each in await world.take():
        await world.complete(each)
    await owner.work()
    assert [await world.status(key) for key in keys] == [ExecutionStatus.COMPLETED] * len(keys)


async def test_what_was_noted_as_dispatched_after_the_flush_is_not_trusted(
    world: World, owner: Owner
) -> None:
    await world.submit(node("a"), node("b"), node("c", "a"))
    await owner.work()
    first, _ = await world.take()
    world.transport.lose_everything()
    await owner.decide(completion(first))
    assert [taken.task.node_id for taken in await world.take()] == ["c"]
    await owner.work()
    again = {(taken.task.node_id, taken.task.attempt) for taken in await world.take()}
    assert again == {("b", 2), ("c", 2)}


async def test_an_heir_trusts_no_note_that_was_made_after_the_flush(world: World, owner: Owner) -> None:
    # Found by the simulation: its owner noted the attempt of `c`, and died before it noticed the loss.
    await world.submit(node("a"), node("b"), node("c", "a"))
    await owner.work()
    first, _ = await world.take()
    world.transport.lose_everything()
    await owner.decide(completion(first))
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir").join()
    await heir.work()
    newest = {(taken.task.node_id, taken.task.attempt) for taken in await world.take()}
    assert newest >= {("b", 2), ("c", 2)}


async def test_notes_about_executions_that_are_over_do_not_stay(world: World) -> None:
    key = ExecutionKey("default", "long-gone")
    partition = partition_of(key, PARTITIONS)
    await world.outbox.flush(Outgoing(dispatched={partition: {key: 5}}))
    await Owner(world).join()
    assert await world.outbox.dispatched(partition) == {}


async def test_the_rest_of_a_batch_with_a_lost_partition_is_decided_anew(world: World, owner: Owner) -> None:
    keys = [await world.submit(node("a")) for _ in range(20)]
    lost = world.database.partitions[0]
    lost.owner, lost.epoch = "other", lost.epoch + 1
    await owner.work()
    for key in keys:
        running = partition_of(key, PARTITIONS) != 0
        assert (await world.status(key) is ExecutionStatus.RUNNING) == running
    assert await owner.owned() == [1, 2, 3]


async def test_a_partition_that_failed_to_load_does_not_stay_leased(world: World) -> None:
    # reliability.md 3.3 (a): the prototype kept renewing it, so it was stuck for ever.
    executions = UnreadableExecutions(world.database)
    executions.failures = 1
    owner = await Owner(world, executions=executions).join()
    assert await owner.owned() == []
    await owner.partitions.look()
    assert await owner.owned() == [0, 1, 2, 3]


async def test_an_outage_during_a_takeover_is_a_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.transport.available = False
    owner = await Owner(world).join()
    [said] = caplog.records
    assert (said.levelname, said.exc_info) == ("WARNING", None)
    assert said.getMessage() == "cannot load 4 partitions, releasing them: the transport does not answer"
    world.transport.available = True
    await owner.partitions.look()
    assert await owner.owned() == [0, 1, 2, 3]
    assert world.telemetry.counts["flowmesh.failures.unexpected"] == 0


async def test_what_is_leased_but_not_served_is_released(world: World, owner: Owner) -> None:
    await owner.lane.dismiss([1])
    owner.partitions._serving.pop(1)
    world.clock.advance(OwnerSettings(partitions=4).reconcile_interval)
    assert await owner.renew()
    await owner.partitions.look()
    epochs = {lease.partition: lease.epoch for lease in await world.membership.owned("owner")}
    assert epochs == {0: 1, 1: 2, 2: 1, 3: 1}


async def test_a_gateway_whose_lease_ended_loses_its_tasks(world: World, owner: Owner) -> None:
    await world.membership.join(Member("doomed", frozenset({Role.WORKER_CONTROL})), TTL / 2)
    await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take("doomed")
    await world.start(taken, "doomed")
    await owner.work()
    await owner.partitions.look()
    await owner.work()
    assert await world.take() == []
    world.clock.advance(TTL / 2)
    await owner.partitions.look()
    await owner.work()
    (again,) = await world.take()
    assert again.task.attempt == 2
    assert await world.queue.abandoned("doomed", 10) == []


async def test_a_new_owner_gives_gateways_time_to_come_back(world: World) -> None:
    owner = await Owner(world, gateway_grace=TTL / 2).join()
    await world.submit(node("a"))
    await owner.work()
    (taken,) = await world.take("doomed")
    await world.start(taken, "doomed")
    for _ in range(3):
        await owner.work()
        await owner.partitions.look()
    assert await world.take() == []
    world.clock.advance(TTL / 2)
    assert await owner.renew()
    for _ in range(2):
        await owner.partitions.look()
        await owner.work()
    (again,) = await world.take()
    assert again.task.attempt == 2


async def test_ten_thousand_open_executions_are_taken_over_in_few_queries(world: World, owner: Owner) -> None:
    for _ in range(10_000):
        await world.submit(node("a"))
    await owner.work(turns=80)
    executions = UnreadableExecutions(world.database)
    world.clock.advance(TTL + 1)
    heir = await Owner(world, "heir", executions=executions).join()
    assert heir.lane.open_executions == 10_000
    assert executions.reads <= 40 + 1


async def test_loops_survive_what_nobody_expected(world: World) -> None:
    outbox = DefectiveOutbox(world.transport)
    membership = DefectiveMembership(world.database)
    world.membership = membership
    owner = await Owner(world, outbox=outbox).join()
    key = await world.submit(node("a"))
    outbox.failures = 2  # the batch, and the refusal of its only command
    membership.failures = 1  # when the partition is loaded again
    await owner.work()
    await owner.partitions.look()  # releases what is leased and not served
    await owner.partitions.look()  # and takes it again
    await owner.work()
    assert await world.status(key) is ExecutionStatus.RUNNING
