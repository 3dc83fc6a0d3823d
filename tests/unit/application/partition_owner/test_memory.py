"""What an owner keeps of executions that wait."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.application.partition_owner.timers import TimerHeap
from flowmesh_core.domain.commands import FailTask, StartExecution
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.step import step
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.command_log import QueueEntry
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
