"""Laws of the reducer, on random graphs under random reports in random order."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from flowmesh_core.domain.commands import (
    CancelExecution,
    Command,
    CompleteTask,
    ExpireCancelGrace,
    FailTask,
    LoseTask,
    RedispatchTasks,
    RetryTask,
    StartExecution,
    StartTask,
    TaskCommand,
)
from flowmesh_core.domain.events import ExecutionCancelRequested, NodeEvent, NodeFailed, NodeScheduled
from flowmesh_core.domain.evolve import fold
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.states import LostCause, NodeStatus
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.view import ExecutionView, apply
from tests.unit.domain.reducer import KEY, Stage, graph

TERMINAL_EVENTS = {
    "NodeCompleted",
    "NodeFailed",
    "NodeSkipped",
    "NodeUpstreamFailed",
    "NodeCancelled",
}


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any acyclic graph of up to 12 nodes; the order of the nodes is not that of the edges."""
    size = draw(st.integers(1, 12))
    order = draw(st.permutations(range(size)))
    edges: dict[str, list[str]] = {f"n{i}": [] for i in range(size)}
    for place, node in enumerate(order):
        parents = draw(st.sets(st.sampled_from(order[:place]), max_size=4)) if place else set()
        edges[f"n{node}"] = [f"n{parent}" for parent in sorted(parents)]
    skipped = draw(st.sets(st.sampled_from(sorted(edges)), max_size=3))
    return graph(edges, skipped=sorted(skipped))


def random_command(stage: Stage, chance: random.Random) -> Command:
    node = chance.choice(stage.graph.nodes).id
    attempt = chance.choice([1, 1, 2, 3, stage.state.attempts[stage.graph.index[node]]])
    failure = Failure(chance.choice(["Boom", "Bang"]), "broke")
    weighted: list[tuple[int, Command]] = [
        (6, CompleteTask(KEY, node, attempt, Payload(b"1"), "w", None)),
        (3, FailTask(KEY, node, attempt, failure, "w", None, non_retryable=chance.random() < 0.1)),
        (3, StartTask(KEY, node, attempt, "w", chance.choice(["g1", "g2"]), stage.now)),
        (2, LoseTask(KEY, node, attempt, chance.choice(list(LostCause)))),
        (4, RetryTask(KEY, node, attempt)),
        (2, StartExecution(KEY)),
        (1, RedispatchTasks(KEY, chance.randrange(stage.state.last_sequence + 1))),
    ]
    if chance.random() < 0.05:
        return chance.choice([CancelExecution(KEY, "enough", Micros(SECOND)), ExpireCancelGrace(KEY)])
    commands, weights = [c for _, c in weighted], [w for w, _ in weighted]
    return chance.choices(commands, weights)[0]


def check_laws(stage: Stage) -> None:
    sequences = [event.sequence for event in stage.history]
    assert sequences == list(range(1, len(sequences) + 1)), "the sequence is dense"
    ends = Counter(
        event.node
        for event in stage.history
        if isinstance(event, NodeEvent) and type(event).__name__ in TERMINAL_EVENTS
    )
    assert all(count == 1 for count in ends.values()), "one terminal state per node"
    check_dependencies_first(stage)
    check_nothing_new_after_the_end_began(stage)
    check_fold(stage)
    retried = sum(map(bool, stage.state.failures))  # a due retry does not queue behind the window
    assert stage.state.in_flight <= stage.window + retried
    if stage.state.status.is_terminal:
        assert set(ends) == set(range(len(stage.graph.nodes))), "a closed execution has no live node"


def check_dependencies_first(stage: Stage) -> None:
    ended: set[int] = set()
    attempts: Counter[int] = Counter()
    for event in stage.history:
        if isinstance(event, NodeScheduled):
            assert ended.issuperset(stage.graph.nodes[event.node].parents), "dependencies first"
            attempts[event.node] += 1
            assert event.attempt == attempts[event.node], "attempts only grow, one by one"
        if isinstance(event, NodeEvent) and type(event).__name__ in TERMINAL_EVENTS:
            ended.add(event.node)


def check_nothing_new_after_the_end_began(stage: Stage) -> None:
    winding_down = False
    for event in stage.history:
        assert not (winding_down and isinstance(event, NodeScheduled)), "a failure or a cancel stops it"
        winding_down |= isinstance(event, NodeFailed | ExecutionCancelRequested)


def is_stale(stage: Stage, command: Command) -> bool:
    if not isinstance(command, TaskCommand) or isinstance(command, RetryTask):
        return False
    node = stage.graph.index[command.node_id]
    return stage.state.attempts[node] != command.attempt


def check_fold(stage: Stage) -> None:
    again = ExecutionState(KEY, stage.graph, NULL)
    fold(again, stage.history)
    assert comparable(again) == comparable(stage.state), "the fold is the state"
    view = ExecutionView(stage.graph)
    for event in stage.history:
        apply(view, event)
    assert [node.status for node in view.nodes] == [NodeStatus(s) for s in stage.state.node_status]
    assert view.status == stage.state.status
    fresh = ExecutionState(KEY, stage.graph, NULL)
    kept = (fresh.gateways, fresh.lost, fresh.outputs, fresh.large_inputs)
    assert not any(kept), "executions share nothing that is written"


_NO_FACTS = {"scope", "decidable", "large_inputs"}


def comparable(state: ExecutionState) -> dict[str, object]:
    facts = {name: getattr(state, name) for name in state.__slots__ if name not in _NO_FACTS}
    pending = [n for n in state.decidable if state.node_status[n] == NodeStatus.PENDING]
    return {**facts, "decidable": pending}


@settings(max_examples=300, deadline=None)
@given(graphs(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_reports_in_any_order_keep_the_laws(plan: Graph, window: int, chance: random.Random) -> None:
    stage = Stage(plan, window)
    for _ in range(60):
        stage.wait(chance.choice([0, 0, 0.5, 5]))
        if chance.random() < 0.1:
            stage.take_over()
        command = random_command(stage, chance)
        stale = is_stale(stage, command)
        transition = stage.do(command)
        assert not (stale and transition.events), "a report of another attempt changes nothing"
        check_laws(stage)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_every_execution_ends_when_every_task_is_reported(
    plan: Graph, window: int, chance: random.Random
) -> None:
    stage = Stage(plan, window)
    stage.start()
    for _ in range(len(plan.nodes)):
        live = list(stage.state.scheduled_sequence)
        if not live:
            break
        if chance.random() < 0.2:
            stage.take_over()
        node = chance.choice(live)
        stage.complete(plan.nodes[node].id, stage.state.attempts[node])
    assert stage.state.status.is_terminal
    check_laws(stage)
