"""A decision in the making: the events of one command, folded as they are decided."""

from __future__ import annotations

from collections.abc import Iterable

from flowmesh_core.domain.events import (
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    NodeAttemptLost,
    NodeCancelled,
    NodeFailed,
    NodeScheduled,
    NodeSkipped,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.evolve import evolve
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.fan_in import FanIn, fan_in
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import FailureSource, LostCause, NodeStatus, SkipReason
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Dispatch, Transition, Verdict, Withdrawal


class Decision:
    """Collects what one command makes of one execution.

    Every method emits events and folds them into the state at once, so later
    decisions of the same command see earlier ones.
    """

    def __init__(self, state: ExecutionState, now: Micros, window: int, window_bytes: int) -> None:
        """Decide on `state` at `now`, with so many attempts and bytes of large inputs in flight."""
        self.state = state
        self.now = now
        self._window = window
        self._window_bytes = window_bytes
        self._events: list[Event] = []
        self._dispatches: list[Dispatch] = []
        self._withdrawals: list[Withdrawal] = []

    @property
    def sequence(self) -> int:
        """The sequence of the next event."""
        return self.state.last_sequence + 1

    def emit(self, event: Event) -> None:
        """Add an event to the history and fold it."""
        evolve(self.state, event)
        self._events.append(event)

    def finish(self, verdict: Verdict = Verdict.ACCEPTED) -> Transition:
        """Follow up on what was emitted, and return the transition."""
        self._advance()
        self._close()
        return Transition(verdict, tuple(self._events), tuple(self._dispatches), tuple(self._withdrawals))

    def schedule(self, node: int) -> None:
        """Make the next attempt of a node ready, or fail the node when its input does not resolve."""
        try:
            payload = self.state.graph.nodes[node].resolve(self.state.scope)
        except ExpressionError as error:
            self._fail_expression(node, error)
            return
        self._dispatch(node, payload)

    def reschedule(self, node: int, cause: LostCause) -> None:
        """Give up the current attempt of a node without a verdict, and make the next one ready."""
        self.emit(NodeAttemptLost(self.sequence, self.now, node, self.state.attempts[node], cause))
        self.schedule(node)

    def fail(self, node: int, failure: Failure, worker_id: str, started_at: Micros | None) -> None:
        """End a node as FAILED, and with it everything that has not begun."""
        attempt = self.state.attempts[node]
        is_first = self.state.first_failure is None
        self.emit(NodeFailed(self.sequence, self.now, node, attempt, failure, worker_id, started_at))
        if is_first:
            self._fail_fast(node)

    def cancel(self, nodes: Iterable[int]) -> None:
        """End live nodes as CANCELLED and take their attempts back."""
        for node in nodes:
            if node in self.state.scheduled_sequence:
                self.withdraw(node)
            self.emit(NodeCancelled(self.sequence, self.now, node, self.state.attempts[node]))

    def withdraw(self, node: int) -> None:
        """Take the current attempt of a node back from the queue or from who runs it."""
        gateway_id = self.state.gateways.get(node, "")
        self._withdrawals.append(Withdrawal(node, self.state.attempts[node], gateway_id))

    def nodes_that_do_not_run(self) -> list[int]:
        """Return the nodes that a cancel ends at once."""
        live = (NodeStatus.PENDING, NodeStatus.SCHEDULED)
        return [node for node, status in enumerate(self.state.node_status) if status in live]

    def _advance(self) -> None:
        """Decide every node whose parents have ended, as far as the window allows."""
        decidable = self.state.decidable
        while decidable:
            node = decidable.first()
            if self.state.node_status[node] != NodeStatus.PENDING:
                decidable.pop_first()
                continue
            verdict = fan_in(self.state, node)
            if verdict is FanIn.FIRE and self._is_full():
                return
            decidable.pop_first()
            self._decide(node, verdict)

    def _is_full(self) -> bool:
        state = self.state
        return state.in_flight >= self._window or state.bytes_in_flight >= self._window_bytes

    def _decide(self, node: int, verdict: FanIn) -> None:
        if verdict is FanIn.UPSTREAM_FAILED:
            self.emit(NodeUpstreamFailed(self.sequence, self.now, node))
        elif verdict is FanIn.SKIP:
            self.emit(NodeSkipped(self.sequence, self.now, node, SkipReason.UPSTREAM_SKIPPED))
        elif self._condition_holds(node):
            self.schedule(node)

    def _condition_holds(self, node: int) -> bool:
        runs = self.state.graph.nodes[node].runs
        if runs is None:
            return True
        try:
            holds = runs(self.state.scope)
        except ExpressionError as error:
            self._fail_expression(node, error)
            return False
        if not holds:
            self.emit(NodeSkipped(self.sequence, self.now, node, SkipReason.CONDITION_FALSE))
        return holds

    def _fail_expression(self, node: int, error: ExpressionError) -> None:
        failure = Failure("ExpressionError", str(error), FailureSource.EXPRESSION)
        self.fail(node, failure, worker_id="", started_at=None)

    def _dispatch(self, node: int, payload: Payload) -> None:
        attempt = self.state.attempts[node] + 1
        self.emit(NodeScheduled(self.sequence, self.now, node, attempt))
        self._dispatches.append(Dispatch(node, attempt, payload))
        self.state.note_input(node, payload.size)

    def _fail_fast(self, failed: int) -> None:
        """Schedule nothing new: what is below the failed node and what has not begun ends here."""
        for node in self._below(failed):
            if self.state.node_status[node] == NodeStatus.PENDING:
                self.emit(NodeUpstreamFailed(self.sequence, self.now, node))
        waiting = [n for n, status in enumerate(self.state.node_status) if status == NodeStatus.PENDING]
        self.cancel([*waiting, *self.state.backoff])

    def _below(self, node: int) -> Iterable[int]:
        """Return the descendants of a node, each once, nearest first."""
        found: dict[int, None] = dict.fromkeys(self.state.graph.nodes[node].children)
        queue = list(found)
        for current in queue:
            fresh = [c for c in self.state.graph.nodes[current].children if c not in found]
            found.update(dict.fromkeys(fresh))
            queue.extend(fresh)
        return queue

    def _close(self) -> None:
        if self.state.open_nodes or self.state.status.is_terminal:
            return
        if self.state.cancel_reason is not None:
            self.emit(ExecutionCancelled(self.sequence, self.now, self.state.cancel_reason))
        elif self.state.first_failure is not None:
            self.emit(ExecutionFailed(self.sequence, self.now, self.state.first_failure))
        else:
            self.emit(ExecutionCompleted(self.sequence, self.now))
