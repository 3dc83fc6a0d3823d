"""The live picture of an execution, as the terminal gets it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from flowmesh import Event, EventType, Execution, ExecutionState, NodeExecution, NodeState, Snapshot
from flowmesh_services.cli.live_view import MARKS, Picture

NOW = datetime.now(UTC)


def execution(*nodes: NodeExecution) -> Execution:
    return Execution(
        namespace="default",
        execution_id="01a20519-6270-75dd-b6ab-b6ff8bbeceb9",
        workflow_name="a-workflow-with-quite-a-long-name-for-a-terminal-of-this-width",
        workflow_version=0,
        workflow_digest="",
        state=ExecutionState.RUNNING,
        labels={},
        create_time=NOW - timedelta(seconds=75),
        start_time=NOW - timedelta(seconds=75),
        close_time=None,
        failure=None,
        last_sequence=1,
        node_counts={},
        nodes=nodes,
    )


def pending(count: int) -> list[NodeExecution]:
    return [NodeExecution(f"node-{number}", "work", NodeState.PENDING) for number in range(count)]


def drawn(picture: Picture, width: int = 60, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(picture)
    return capture.get().splitlines()


def test_a_node_turns_from_waiting_to_running_to_done_with_its_times() -> None:
    picture = Picture()
    picture.take(Snapshot(execution(NodeExecution("greet", "greet", NodeState.SCHEDULED, attempt=1))))
    assert "○ greet  SCHEDULED" in drawn(picture)

    began = datetime.now(UTC) - timedelta(minutes=90)
    picture.take(Event(3, began, EventType.NODE_STARTED, "greet", attempt=1))
    (running,) = [line for line in drawn(picture) if line.startswith("◉ greet  RUNNING")]
    assert running.split()[-1].startswith("1:30:0")

    ended = began + timedelta(seconds=2.5)
    picture.take(Event(4, ended, EventType.NODE_COMPLETED, "greet", attempt=1, start_time=began))
    assert "● greet  COMPLETED    2.5 s" in drawn(picture)
    assert "● 1 COMPLETED" in drawn(picture)
    assert any(line.endswith("1/1  100 %") for line in drawn(picture))


@pytest.mark.parametrize("count", [1, 12, 13, 200, 100_000])
@pytest.mark.parametrize(("width", "height"), [(60, 24), (40, 30), (200, 60)])
def test_the_picture_fits_the_terminal(count: int, width: int, height: int) -> None:
    picture = Picture()
    nodes = pending(count)
    busy = [replace(node, state=NodeState.RUNNING, start_time=NOW) for node in nodes[: count // 2]]
    picture.take(Snapshot(execution(*busy, *nodes[count // 2 :])))

    lines = drawn(picture, width, height)

    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert sum(line.count(MARKS[NodeState.PENDING]) for line in lines) > 0 or count == 100_000


def test_what_does_not_fit_is_counted() -> None:
    picture = Picture()
    picture.take(Snapshot(execution(*pending(5_000))))

    assert any(line.strip().endswith(" more") for line in drawn(picture))


def test_a_failed_node_and_a_second_attempt_are_named() -> None:
    picture = Picture()
    picture.take(Snapshot(execution(*pending(20))))
    picture.take(Event(2, NOW, EventType.NODE_STARTED, "node-7", attempt=2))
    picture.take(Event(3, NOW, EventType.NODE_FAILED, "node-3", attempt=1))

    lines = drawn(picture)
    assert any(line.startswith("◉ node-7  RUNNING") and line.endswith("attempt 2") for line in lines)
    assert any(line.startswith("✗ node-3  FAILED") for line in lines)
