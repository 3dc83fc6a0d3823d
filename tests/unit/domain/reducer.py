"""A small stage for the reducer: graphs in one line, and a state that checks itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowmesh_core.domain.commands import (
    Command,
    CompleteTask,
    FailTask,
    LoseTask,
    StartExecution,
    StartTask,
)
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.evolve import fold
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.expressions import Scope
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph, PlannedNode
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.states import LostCause, NodeStatus
from flowmesh_core.domain.step import step
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Transition

KEY = ExecutionKey("default", "e1")
_EMPTY = Payload(b"{}")
STEADY = RetryPolicy(maximum_attempts=3, jitter=Jitter.NONE, maximum_lost=3)


def graph(
    edges: Mapping[str, Sequence[str]],
    *,
    skipped: Sequence[str] = (),
    policy: RetryPolicy = STEADY,
    inputs: Payload = _EMPTY,
) -> Graph:
    """Build a graph from node → parents; nodes in `skipped` have a condition that is false."""
    index = {node: position for position, node in enumerate(edges)}
    children: dict[str, list[int]] = {node: [] for node in edges}
    for node, parents in edges.items():
        for parent in parents:
            children[parent].append(index[node])
    nodes = tuple(
        PlannedNode(
            id=node,
            handler="h",
            parents=tuple(index[parent] for parent in parents),
            children=tuple(children[node]),
            retry_policy=policy,
            timeouts=Timeouts(),
            runs=_never if node in skipped else None,
            resolve=lambda _scope: inputs,
        )
        for node, parents in edges.items()
    )
    return Graph("wf", "digest", nodes, index, frozenset(range(len(nodes))))


def _never(_scope: Scope) -> bool:
    return False


class Stage:
    """One execution under test: takes commands, keeps the history and the time."""

    def __init__(self, plan: Graph, window: int = 1000) -> None:
        """Begin before the first command."""
        self.graph = plan
        self.window = window
        self.now = Micros(0)
        self.state = ExecutionState(KEY, plan, NULL)
        self.history: list[Event] = []

    def do(self, command: Command) -> Transition:
        """Decide a command, one millisecond after the last."""
        self.now = Micros(self.now + 1000)
        transition = step(self.state, command, self.now, self.window)
        self.history.extend(transition.events)
        return transition

    @property
    def standing(self) -> str:
        """Where the execution stands, by name."""
        return self.state.status.name

    def take_over(self) -> None:
        """Go on from the fold of the history, as a new owner does."""
        self.state = ExecutionState(KEY, self.graph, NULL)
        fold(self.state, self.history)

    def start(self) -> Transition:
        """Begin the execution."""
        return self.do(StartExecution(KEY))

    def run(self, node: str, attempt: int = 1, gateway: str = "g1") -> Transition:
        """Report that a worker runs an attempt."""
        return self.do(StartTask(KEY, node, attempt, "w1", gateway, self.now))

    def complete(self, node: str, attempt: int = 1, output: bytes = b"1") -> Transition:
        """Report success."""
        return self.do(CompleteTask(KEY, node, attempt, Payload(output), "w1", None))

    def fail(self, node: str, attempt: int = 1, error_type: str = "Boom") -> Transition:
        """Report failure."""
        return self.do(FailTask(KEY, node, attempt, Failure(error_type, "it broke"), "w1", None))

    def lose(self, node: str, attempt: int = 1, cause: LostCause = LostCause.WORKER_LOST) -> Transition:
        """Report that nobody runs an attempt any more."""
        return self.do(LoseTask(KEY, node, attempt, cause))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now = Micros(self.now + round(seconds * SECOND))

    def statuses(self) -> dict[str, str]:
        """Return where every node stands, by name."""
        return {
            node.id: NodeStatus(self.state.node_status[position]).name
            for position, node in enumerate(self.graph.nodes)
        }

    def dispatched(self, transition: Transition) -> list[str]:
        """Return the nodes whose attempts a transition hands out."""
        return [self.graph.nodes[dispatch.node].id for dispatch in transition.dispatches]
