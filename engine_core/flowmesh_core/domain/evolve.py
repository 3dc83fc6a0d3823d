"""Folding: what each event makes of the state. Total, without rules, never fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from flowmesh_core.domain.events import (
    AttemptEvent,
    Event,
    ExecutionCancelled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    NodeAttemptFailed,
    NodeAttemptLost,
    NodeCancelled,
    NodeCompleted,
    NodeFailed,
    NodeScheduled,
    NodeSkipped,
    NodeStarted,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.execution import SOME_COMPLETED, SOME_FAILED, ExecutionState
from flowmesh_core.domain.states import ExecutionStatus, LostCause, NodeStatus


def evolve(state: ExecutionState, event: Event) -> None:
    """Fold one event into `state`, in place."""
    state.last_sequence = event.sequence
    _FOLDS[type(event)](state, event)


def fold(state: ExecutionState, events: Iterable[Event]) -> None:
    """Fold a history into `state`, in place."""
    for event in events:
        evolve(state, event)


def _started(state: ExecutionState, _event: ExecutionStarted) -> None:
    state.status = ExecutionStatus.RUNNING
    state.decidable.extend(index for index, node in enumerate(state.graph.nodes) if not node.parents)


def _cancel_requested(state: ExecutionState, event: ExecutionCancelRequested) -> None:
    state.status = ExecutionStatus.CANCELLING
    state.cancel_reason = event.reason
    state.cancel_deadline = event.deadline


def _completed(state: ExecutionState, _event: ExecutionCompleted) -> None:
    state.status = ExecutionStatus.COMPLETED


def _failed(state: ExecutionState, _event: ExecutionFailed) -> None:
    state.status = ExecutionStatus.FAILED


def _cancelled(state: ExecutionState, _event: ExecutionCancelled) -> None:
    state.status = ExecutionStatus.CANCELLED


def _node_scheduled(state: ExecutionState, event: NodeScheduled) -> None:
    state.node_status[event.node] = NodeStatus.SCHEDULED
    state.attempts[event.node] = event.attempt
    state.scheduled_sequence[event.node] = event.sequence
    state.backoff.pop(event.node, None)


def _node_started(state: ExecutionState, event: NodeStarted) -> None:
    state.node_status[event.node] = NodeStatus.RUNNING
    state.gateways = state.gateways or {}
    state.gateways[event.node] = event.gateway_id


def _node_completed(state: ExecutionState, event: NodeCompleted) -> None:
    if event.node in state.graph.referenced:
        state.outputs = state.outputs or {}
        state.outputs[event.node] = event.output
    _end_node(state, event.node, NodeStatus.COMPLETED)


def _node_attempt_failed(state: ExecutionState, event: NodeAttemptFailed) -> None:
    _end_attempt(state, event)
    state.failures[event.node] += 1
    state.backoff[event.node] = event.next_attempt_at


def _node_attempt_lost(state: ExecutionState, event: NodeAttemptLost) -> None:
    _end_attempt(state, event)
    if event.cause is LostCause.WORKER_LOST:
        state.lost = state.lost or {}
        state.lost[event.node] = state.lost.get(event.node, 0) + 1


def _node_failed(state: ExecutionState, event: NodeFailed) -> None:
    if state.first_failure is None:
        state.first_failure = replace(event.failure, node_id=state.graph.nodes[event.node].id)
    _end_node(state, event.node, NodeStatus.FAILED)


def _node_skipped(state: ExecutionState, event: NodeSkipped) -> None:
    _end_node(state, event.node, NodeStatus.SKIPPED)


def _node_upstream_failed(state: ExecutionState, event: NodeUpstreamFailed) -> None:
    _end_node(state, event.node, NodeStatus.UPSTREAM_FAILED)


def _node_cancelled(state: ExecutionState, event: NodeCancelled) -> None:
    _end_node(state, event.node, NodeStatus.CANCELLED)


def _end_attempt(state: ExecutionState, event: AttemptEvent) -> None:
    state.node_status[event.node] = NodeStatus.SCHEDULED
    _forget_attempt(state, event.node)


def _forget_attempt(state: ExecutionState, node: int) -> None:
    state.scheduled_sequence.pop(node, None)
    state.gateways.pop(node, None)
    state.large_inputs.pop(node, None)
    if not state.scheduled_sequence:
        # A dict keeps its room until it is cleared, and many executions wait for long.
        state.scheduled_sequence.clear()
        state.gateways.clear()


def _end_node(state: ExecutionState, node: int, status: NodeStatus) -> None:
    state.node_status[node] = status
    _forget_attempt(state, node)
    state.backoff.pop(node, None)
    state.open_nodes -= 1
    ended = _FOR_CHILDREN.get(status, 0)
    for child in state.graph.nodes[node].children:
        state.parents_ended[child] |= ended
        state.undecided_parents[child] -= 1
        if not state.undecided_parents[child]:
            state.decidable.append(child)


_FOR_CHILDREN = {
    NodeStatus.COMPLETED: SOME_COMPLETED,
    NodeStatus.FAILED: SOME_FAILED,
    NodeStatus.CANCELLED: SOME_FAILED,
    NodeStatus.UPSTREAM_FAILED: SOME_FAILED,
}

# Each fold takes the event type that it is listed under.
_FOLDS: dict[type[Event], Callable[..., None]] = {
    ExecutionStarted: _started,
    ExecutionCancelRequested: _cancel_requested,
    ExecutionCompleted: _completed,
    ExecutionFailed: _failed,
    ExecutionCancelled: _cancelled,
    NodeScheduled: _node_scheduled,
    NodeStarted: _node_started,
    NodeCompleted: _node_completed,
    NodeAttemptFailed: _node_attempt_failed,
    NodeAttemptLost: _node_attempt_lost,
    NodeFailed: _node_failed,
    NodeSkipped: _node_skipped,
    NodeUpstreamFailed: _node_upstream_failed,
    NodeCancelled: _node_cancelled,
}
