"""The state of one execution: the fold of its history.

An owner holds one `ExecutionState` per open execution and the reducer folds
events into it in place, because a graph may have 100,000 nodes and each event
has to cost the same whatever its size (ADR 0002). The state is a cache: what is
true is the history, and on any doubt the state is dropped and folded again.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from typing import Any

from flowmesh_core.domain.commands import Command, ExpireCancelGrace, RetryTask
from flowmesh_core.domain.expressions import MISSING, ExpressionError
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.node_queue import NodeQueue
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import ExecutionStatus, NodeStatus
from flowmesh_core.domain.time import Micros

SOME_COMPLETED = 1
SOME_FAILED = 2
"""Upstream failures and cancels included. Plain numbers, because arithmetic on flags takes a call each."""

_MAXIMUM_PARSED_OUTPUTS = 256
_NOTHING: dict[int, Any] = {}
"""Of executions that have nothing to keep. Never written: who has something makes a dict of its own."""
_LARGE = 16 * 1024
"""Inputs below this are bounded well enough by the number of attempts."""


class ExecutionState:
    """Where an execution and its nodes stand; written by `evolve` alone, but for `large_inputs`.

    Nodes are named by their index in `graph.nodes`.

    Attributes:
        status: Where the execution stands.
        last_sequence: The sequence of the newest event folded; 0 before the first.
        node_status: A `NodeStatus` per node.
        attempts: The newest attempt per node; 0 before the first.
        undecided_parents: Per node, how many parents are not terminal.
        parents_ended: Per node, whether any parents did, as `SOME_COMPLETED` and `SOME_FAILED` together.
        decidable: Nodes whose parents are all terminal, in the order that it
            became so; may still hold nodes that were decided since.
        scheduled_sequence: Per attempt in flight, the sequence of its `NodeScheduled`.
        large_inputs: Per attempt in flight with a large input, its bytes. Not of the history: what
            another process sent is missing.
        gateways: Per RUNNING node, the gateway that runs it.
        backoff: Per node that waits for its next attempt, when that is due.
        failures: Per node, how many attempts failed.
        lost: Per node, how many attempts were lost with their worker; absent for none.
        outputs: What nodes returned, for those that templates or conditions read.
        open_nodes: How many nodes are not terminal.
        first_failure: The failure that made the execution fail, once there is one.
        cancel_reason: The caller's words, once a cancel was accepted.
        cancel_deadline: When the grace of the cancel ends.
    """

    __slots__ = (
        "attempts",
        "backoff",
        "cancel_deadline",
        "cancel_reason",
        "decidable",
        "failures",
        "first_failure",
        "gateways",
        "graph",
        "input",
        "key",
        "large_inputs",
        "last_sequence",
        "lost",
        "node_status",
        "open_nodes",
        "outputs",
        "parents_ended",
        "scheduled_sequence",
        "scope",
        "status",
        "undecided_parents",
    )

    def __init__(self, key: ExecutionKey, graph: Graph, input_payload: Payload) -> None:
        """Start before the first event."""
        count = len(graph.nodes)
        self.key = key
        self.graph = graph
        self.input = input_payload
        self.status = ExecutionStatus.PENDING
        self.last_sequence = 0
        self.node_status = bytearray([NodeStatus.PENDING]) * count
        self.attempts = array("I", bytes(4 * count))
        self.undecided_parents = array("I", (len(node.parents) for node in graph.nodes))
        self.parents_ended = bytearray(count)
        self.decidable = NodeQueue()
        self.scheduled_sequence: dict[int, int] = {}
        self.large_inputs: dict[int, int] = _NOTHING
        self.gateways: dict[int, str] = _NOTHING
        self.backoff: dict[int, Micros] = {}
        self.failures = array("I", bytes(4 * count))
        self.lost: dict[int, int] = _NOTHING
        self.outputs: dict[int, Payload] = _NOTHING
        self.open_nodes = count
        self.first_failure: Failure | None = None
        self.cancel_reason: str | None = None
        self.cancel_deadline: Micros | None = None
        self.scope = StateScope(self)

    @property
    def in_flight(self) -> int:
        """How many attempts are with workers or on the way to them."""
        return len(self.scheduled_sequence)

    @property
    def bytes_in_flight(self) -> int:
        """How many bytes the large ones among their inputs have."""
        return sum(self.large_inputs.values())

    def note_input(self, node: int, size: int) -> None:
        """Count the input of an attempt that is sent, if it is large."""
        if size >= _LARGE:
            self.large_inputs = self.large_inputs or {}
            self.large_inputs[node] = size

    @property
    def is_winding_down(self) -> bool:
        """Whether nothing new may be scheduled, after a failure or a cancel."""
        return self.first_failure is not None or self.cancel_deadline is not None

    def is_live(self, node: int, attempt: int) -> bool:
        """Say whether an attempt is the current one and has not ended."""
        return node in self.scheduled_sequence and self.attempts[node] == attempt

    def pending_timers(self) -> Iterator[tuple[Micros, Command]]:
        """Yield what has to happen when, for an owner that starts from the fold."""
        for node, due in self.backoff.items():
            yield due, RetryTask(self.key, self.graph.nodes[node].id, self.attempts[node])
        if self.cancel_deadline is not None and not self.status.is_terminal:
            yield self.cancel_deadline, ExpireCancelGrace(self.key)


class StateScope:
    """What templates and conditions of an execution can read; see `Scope`.

    Parsed values are kept, so that a wide fan-out does not parse the output of
    its parent once per child; the number kept is bounded.
    """

    __slots__ = ("_input", "_parsed", "_state")

    def __init__(self, state: ExecutionState) -> None:
        """Read from a state as it stands at each call."""
        self._state = state
        self._parsed: dict[int, object] | None = None
        self._input: object = MISSING

    def input(self) -> object:
        """Return the input of the execution."""
        if self._input is MISSING:
            self._input = _parse(self._state.input, "the input of the execution")
        return self._input

    def output(self, node: int) -> object:
        """Return what a node returned, or `MISSING` when it did not complete."""
        if self._parsed is not None and node in self._parsed:
            return self._parsed[node]
        payload = self._state.outputs.get(node)
        if payload is None:
            return MISSING
        if self._parsed is None or len(self._parsed) >= _MAXIMUM_PARSED_OUTPUTS:
            self._parsed = {}
        value = _parse(payload, f"the output of node '{self._state.graph.nodes[node].id}'")
        self._parsed[node] = value
        return value


def _parse(payload: Payload, what: str) -> object:
    if not payload.is_json:
        raise ExpressionError(f"{what} is {payload.content_type}, and only JSON can be referred to")
    try:
        return json.loads(payload.data)
    except ValueError as error:
        raise ExpressionError(f"{what} is not JSON: {error}") from error
