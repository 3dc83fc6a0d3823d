"""What an owner keeps of executions that wait."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.application.partition_owner.timers import TimerHeap
from flowmesh_core.domain.commands import CancelExecution, FailTask, StartExecution
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.step import step
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.command_log import QueueEntry
from tests.unit.application.partition_owner.world import Owner, World, node
from tests.unit.domain.reducer import graph

COUNT = 2_000


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_an_execution_that_waits_on_a_timer_takes_less_than_two_kilobytes() -> None:
    plan = graph({"a": []})
    timers = TimerHeap()
    before = tracemalloc.get_traced_memory()[0]
    kept = [waiting(f"execution-{number:026}", plan, timers) for number in range(COUNT)]
    each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    assert len(timers) == COUNT
    assert each < 1_850


async def test_an_execution_that_ended_is_let_go_long_before_its_timers_are_due(
    world: World, owner: Owner
) -> None:
    key = await world.submit(node("a"), execution_id="ended-with-a-timer")
    await owner.work()
    (taken,) = await world.take()
    await world.fail(taken)
    await owner.work()
    assert len(_in_memory(key)) == 1
    await world.send(CancelExecution(key, "enough", Micros(SECOND)))
    await owner.work()
    assert await world.status(key) is ExecutionStatus.CANCELLED
    assert _in_memory(key) == []
    world.clock.advance(2.0)
    await owner.work()
    assert (await world.kinds(key))[-1] == "ExecutionCancelled"


def test_timers_of_executions_that_ended_do_not_pile_up() -> None:
    plan = graph({"a": []})
    timers = TimerHeap()
    kept = [waiting(f"kept-{number}", plan, timers) for number in range(10)]
    for number in range(10_000):
        waiting(f"ended-{number}", plan, timers)
    assert len(timers) < 200
    assert {live for live, _ in timers.pop_due(Micros(10**18), 1_000)} == set(kept)


def _in_memory(key: ExecutionKey) -> list[LiveExecution]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, LiveExecution) and each.state.key == key]


def waiting(execution_id: str, plan: Graph, timers: TimerHeap) -> LiveExecution:
    """Bring an execution of one node to where it waits for its second attempt."""
    key = ExecutionKey("default", execution_id)
    state = ExecutionState(key, plan, Payload(b'{"n": 12345}'))
    live = LiveExecution(state, 1, "")
    step(state, StartExecution(key), Micros(1_000), 1_000)
    live.entries[0] = QueueEntry("default", "h", "1-1")
    command = FailTask(key, "a", 1, Failure("Boom", "as expected"), "w1", None)
    timers.follow(live, step(state, command, Micros(2_000), 1_000).events)
    assert live.take_entry(0) is not None
    return live
