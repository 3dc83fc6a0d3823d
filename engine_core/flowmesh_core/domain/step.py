"""The reducer: what a command makes of an execution.

No clock, no randomness, no I/O: the same state, command and time always give
the same transition. The first valid report of an attempt wins; whatever is
late, repeated or superseded changes nothing and is answered so.
"""

from __future__ import annotations

from collections.abc import Callable

from flowmesh_core.domain.commands import (
    AcknowledgeTaskCancel,
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
from flowmesh_core.domain.decision import Decision
from flowmesh_core.domain.events import (
    ExecutionCancelRequested,
    ExecutionStarted,
    NodeAttemptFailed,
    NodeCompleted,
    NodeStarted,
)
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.limits import MIB
from flowmesh_core.domain.states import ExecutionStatus, FailureSource, LostCause, NodeStatus
from flowmesh_core.domain.time import Micros, after
from flowmesh_core.domain.transition import Transition, Verdict

WINDOW_BYTES = 32 * MIB


def step(
    state: ExecutionState, command: Command, now: Micros, window: int, window_bytes: int = WINDOW_BYTES
) -> Transition:
    """Decide a command and fold its events into `state`.

    Args:
        state: The execution, folded up to its newest event. When the events of
            the transition cannot be appended it has to be dropped.
        command: What is asked.
        now: The time of the decision, written into its events.
        window: How many attempts the execution may have in flight.
        window_bytes: Nothing new is sent while the large inputs of those have this many bytes.
    """
    decision = Decision(state, now, window, window_bytes)
    if isinstance(command, TaskCommand):
        return _step_task(decision, command)
    if state.status.is_terminal:
        return Transition(Verdict.CLOSED)
    _EXECUTION_STEPS[type(command)](decision, command)
    return decision.finish()


def _step_task(decision: Decision, command: TaskCommand) -> Transition:
    node = decision.state.graph.index.get(command.node_id)
    if node is None:
        return Transition(Verdict.UNKNOWN)
    if decision.state.is_live(node, command.attempt):
        _TASK_STEPS[type(command)](decision, command, node)
        return decision.finish()
    if isinstance(command, RetryTask) and _is_due(decision, command, node):
        decision.schedule(node)
        return decision.finish()
    return Transition(_late_verdict(decision.state, command, node))


def _late_verdict(state: ExecutionState, command: TaskCommand, node: int) -> Verdict:
    """Answer a command about an attempt that has ended."""
    current = state.attempts[node] == command.attempt
    status = state.node_status[node]
    if current and isinstance(command, CompleteTask) and status == NodeStatus.COMPLETED:
        return Verdict.ACCEPTED
    if current and isinstance(command, FailTask) and (status == NodeStatus.FAILED or node in state.backoff):
        return Verdict.ACCEPTED
    if current and isinstance(command, AcknowledgeTaskCancel) and status == NodeStatus.CANCELLED:
        return Verdict.ACCEPTED
    return Verdict.CLOSED if state.status.is_terminal else Verdict.SUPERSEDED


def _is_due(decision: Decision, command: RetryTask, node: int) -> bool:
    due = decision.state.backoff.get(node)
    return due is not None and due <= decision.now and decision.state.attempts[node] == command.attempt


def _start_execution(decision: Decision, _command: StartExecution) -> None:
    if decision.state.status is ExecutionStatus.PENDING:
        decision.emit(ExecutionStarted(decision.sequence, decision.now))


def _cancel_execution(decision: Decision, command: CancelExecution) -> None:
    state = decision.state
    if state.status is ExecutionStatus.CANCELLING:
        return
    deadline = after(decision.now, command.grace)
    decision.emit(ExecutionCancelRequested(decision.sequence, decision.now, command.reason, deadline))
    decision.cancel(decision.nodes_that_do_not_run())
    for node in state.scheduled_sequence:
        decision.withdraw(node)


def _expire_cancel_grace(decision: Decision, _command: ExpireCancelGrace) -> None:
    deadline = decision.state.cancel_deadline
    if deadline is not None and deadline <= decision.now:
        decision.cancel(list(decision.state.scheduled_sequence))


def _redispatch(decision: Decision, command: RedispatchTasks) -> None:
    state = decision.state
    doubtful = [
        node
        for node, sequence in state.scheduled_sequence.items()
        if sequence > command.dispatched_sequence and state.node_status[node] == NodeStatus.SCHEDULED
    ]
    for node in doubtful:
        _give_up(decision, node, LostCause.REDISPATCHED)


def _start_task(decision: Decision, command: StartTask, node: int) -> None:
    if decision.state.gateways.get(node) == command.gateway_id:
        return
    decision.emit(
        NodeStarted(
            decision.sequence,
            decision.now,
            node,
            command.attempt,
            command.worker_id,
            command.gateway_id,
            command.started_at,
        )
    )


def _complete_task(decision: Decision, command: CompleteTask, node: int) -> None:
    decision.emit(
        NodeCompleted(
            decision.sequence,
            decision.now,
            node,
            command.attempt,
            command.output,
            command.worker_id,
            command.started_at,
        )
    )


def _fail_task(decision: Decision, command: FailTask, node: int) -> None:
    state = decision.state
    if state.cancel_deadline is not None:
        decision.cancel([node])
        return
    policy = state.graph.nodes[node].retry_policy
    failures = state.failures[node] + 1
    retry = not (command.non_retryable or state.is_winding_down)
    if not (retry and policy.allows_retry(command.failure, failures)):
        decision.fail(node, command.failure, command.worker_id, command.started_at)
        return
    delay = command.next_retry_delay
    if delay is None:
        delay = policy.delay(failures, f"{state.key}/{command.node_id}")
    decision.emit(
        NodeAttemptFailed(
            decision.sequence,
            decision.now,
            node,
            command.attempt,
            command.failure,
            command.worker_id,
            command.started_at,
            after(decision.now, delay),
        )
    )


def _lose_task(decision: Decision, command: LoseTask, node: int) -> None:
    lost = decision.state.lost.get(node, 0) + 1
    limit = decision.state.graph.nodes[node].retry_policy.maximum_lost
    if command.cause is LostCause.WORKER_LOST and lost >= limit:
        failure = Failure(
            "WorkerLost", f"{lost} attempts were lost with their worker", FailureSource.WORKER_LOST
        )
        decision.fail(node, failure, worker_id="", started_at=None)
    else:
        _give_up(decision, node, command.cause)


def _give_up(decision: Decision, node: int, cause: LostCause) -> None:
    """Try a node again that nobody runs, unless the execution winds down."""
    if decision.state.is_winding_down:
        decision.cancel([node])
    else:
        decision.reschedule(node, cause)


def _acknowledge_cancel(decision: Decision, command: AcknowledgeTaskCancel, node: int) -> None:
    if decision.state.cancel_deadline is not None:
        decision.cancel([node])
        return
    failure = Failure("Cancelled", "the handler stopped as if cancelled, but nobody had asked for it")
    _fail_task(decision, FailTask(command.key, command.node_id, command.attempt, failure, "", None), node)


def _retry_early(_decision: Decision, _command: RetryTask, _node: int) -> None:
    """A retry timer of an attempt that is live again has nothing to do."""


# Each step takes the command type that it is listed under.
_EXECUTION_STEPS: dict[type[Command], Callable[..., None]] = {
    StartExecution: _start_execution,
    CancelExecution: _cancel_execution,
    ExpireCancelGrace: _expire_cancel_grace,
    RedispatchTasks: _redispatch,
}
_TASK_STEPS: dict[type[Command], Callable[..., None]] = {
    StartTask: _start_task,
    CompleteTask: _complete_task,
    FailTask: _fail_task,
    LoseTask: _lose_task,
    AcknowledgeTaskCancel: _acknowledge_cancel,
    RetryTask: _retry_early,
}
