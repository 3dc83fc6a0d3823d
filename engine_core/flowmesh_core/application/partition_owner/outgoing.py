"""What a batch leaves behind: history to append, then messages to send."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.domain.commands import RetryTask, StartTask, TaskCommand
from flowmesh_core.domain.events import Event, ExecutionCancelled, ExecutionCompleted, ExecutionFailed
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Dispatch, Transition, Verdict, Withdrawal
from flowmesh_core.ports.command_log import DeliveredCommand, QueueEntry
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.outbox import CancelNotice, Outgoing, QueuedTask, Reply


class BatchResult:
    """Collects the transitions of one batch, in the order in which they were decided."""

    def __init__(self, now: Micros) -> None:
        """Collect what is decided at `now`."""
        self._now = now
        self._events: dict[ExecutionKey, list[Event]] = {}
        self._changed: dict[ExecutionKey, LiveExecution] = {}
        self._dispatching: dict[ExecutionKey, LiveExecution] = {}
        self._tasks: dict[tuple[ExecutionKey, int], QueuedTask] = {}
        self._replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._cancels: defaultdict[str, list[CancelNotice]] = defaultdict(list)
        self._withdrawn: list[QueueEntry] = []
        self._acknowledged: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, live: LiveExecution, delivered: DeliveredCommand, transition: Transition) -> None:
        """Take in what a command made of an execution."""
        self.answer(delivered, transition.verdict, live.state.status)
        self._end_attempt(live, delivered, transition.verdict)
        if transition.events:
            key = live.state.key
            self._changed[key] = live
            self._events.setdefault(key, []).extend(transition.events)
        for dispatch in transition.dispatches:
            self._queue(live, dispatch)
        for withdrawal in transition.withdrawals:
            self._withdraw(live, withdrawal)

    def answer(
        self, delivered: DeliveredCommand, verdict: Verdict, status: ExecutionStatus | None = None
    ) -> None:
        """Reply to a command and acknowledge it."""
        envelope = delivered.envelope
        if envelope.reply_to:
            self._replies[envelope.reply_to].append(Reply(envelope.correlation_id, verdict, status))
        if delivered.entry_id:
            self._acknowledged[envelope.partition].append(delivered.entry_id)

    def remove_entry(self, delivered: DeliveredCommand) -> None:
        """Remove the queue entry that a report names: its attempt is over."""
        envelope = delivered.envelope
        if envelope.queue_entry is not None and not isinstance(envelope.command, StartTask):
            self._withdrawn.append(envelope.queue_entry)

    def batches(self) -> list[HistoryBatch]:
        """Return what to append: one row per execution."""
        return [
            HistoryBatch(key, self._changed[key].partition, tuple(events))
            for key, events in self._events.items()
        ]

    def outgoing(self) -> Outgoing:
        """Return what to send after the append."""
        dispatched: defaultdict[int, dict[ExecutionKey, int]] = defaultdict(dict)
        changed: defaultdict[int, dict[ExecutionKey, int]] = defaultdict(dict)
        closed: defaultdict[int, list[ExecutionKey]] = defaultdict(list)
        for key, live in self._changed.items():
            # Not the state's: a command that could not be decided may have left it ahead of the history.
            last = self._events[key][-1]
            changed[live.partition][key] = last.sequence
            if isinstance(last, ExecutionCompleted | ExecutionFailed | ExecutionCancelled):
                closed[live.partition].append(key)
            elif key in self._dispatching:
                dispatched[live.partition][key] = last.sequence
        return Outgoing(
            tasks=tuple(self._tasks.values()),
            dispatched=dispatched,
            closed=closed,
            changed=changed,
            replies=self._replies,
            cancels=self._cancels,
            withdrawn=self._withdrawn,
            acknowledged=self._acknowledged,
        )

    def remember_entries(self, entries: Sequence[QueueEntry]) -> None:
        """Note where the tasks of `outgoing` were queued."""
        for (key, node), entry in zip(self._tasks, entries, strict=True):
            self._dispatching[key].entries[node] = entry

    def _end_attempt(self, live: LiveExecution, delivered: DeliveredCommand, verdict: Verdict) -> None:
        command = delivered.envelope.command
        if not isinstance(command, TaskCommand) or isinstance(command, StartTask | RetryTask):
            return
        known = None
        if verdict is Verdict.ACCEPTED:
            known = live.take_entry(live.state.graph.index[command.node_id])
        entry = delivered.envelope.queue_entry or known
        if entry is not None:
            self._withdrawn.append(entry)

    def _queue(self, live: LiveExecution, dispatch: Dispatch) -> None:
        state = live.state
        node = state.graph.nodes[dispatch.node]
        self._dispatching[state.key] = live
        self._tasks[(state.key, dispatch.node)] = QueuedTask(
            key=state.key,
            node_id=node.id,
            attempt=dispatch.attempt,
            handler=node.handler,
            input=dispatch.input,
            start_to_close=node.timeouts.start_to_close,
            heartbeat=node.timeouts.heartbeat,
            workflow_name=state.graph.workflow_name,
            scheduled_at=self._now,
            traceparent=live.traceparent,
        )

    def _withdraw(self, live: LiveExecution, withdrawal: Withdrawal) -> None:
        state = live.state
        if withdrawal.gateway_id:
            node_id = state.graph.nodes[withdrawal.node].id
            notice = CancelNotice(state.key, node_id, withdrawal.attempt)
            self._cancels[withdrawal.gateway_id].append(notice)
            return
        self._tasks.pop((state.key, withdrawal.node), None)
        entry = live.take_entry(withdrawal.node)
        if entry is not None:
            self._withdrawn.append(entry)
