"""The invariants, checked at every step that could break one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.application.partition_owner.lane import Lane
from flowmesh_core.domain.commands import Command, RetryTask, StartTask
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.evolve import fold
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.graph import Graph, plan_graph
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.step import step
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.membership import PartitionLease
from flowmesh_core.ports.outbox import Outgoing
from tests.simulation.ledger import Ledger
from tests.simulation.workflows import compile_condition

Attempt = tuple[ExecutionKey, str, int]
_COMPARED = (
    "status", "last_sequence", "node_status", "attempts", "undecided_parents", "parents_ended",
    "scheduled_sequence", "gateways", "backoff", "failures", "lost", "outputs",
    "open_nodes", "first_failure", "cancel_reason", "cancel_deadline",
)  # fmt: skip


class Judge:
    """Watches everything that is committed, sent and promised.

    Attributes:
        violations: What must not have happened.
        accepted: Executions that a caller was told are accepted.
        appends: How many appends were judged.
    """

    def __init__(
        self, database: MemoryDatabase, transport: MemoryTransport, on_violation: Callable[[str], None]
    ) -> None:
        self.violations: list[str] = []
        self.accepted: set[ExecutionKey] = set()
        self.appends = 0
        self._database = database
        self._transport = transport
        self._on_violation = on_violation
        self._ledgers: dict[ExecutionKey, Ledger] = {}
        self._graphs: dict[str, Graph] = {}
        self._queued: set[Attempt] = set()
        self._reported: set[tuple[Attempt, str]] = set()

    def object_to(self, complaint: str) -> None:
        """Note a violation."""
        self.violations.append(complaint)
        self._on_violation(complaint)

    def appended(
        self, member_id: str, leases: Iterable[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        """Judge what was just committed."""
        self.appends += 1
        for lease in leases:
            row = self._database.partitions[lease.partition]
            if (row.owner, row.epoch) != (member_id, lease.epoch):
                self.object_to(f"{member_id} wrote partition {lease.partition} under a lease that is over")
        for batch in batches:
            ledger = self._ledger(batch.key)
            for event in batch.events:
                ledger.follow(event)

    def sending(self, outgoing: Outgoing) -> None:
        """Judge what goes out: all of it follows from what is committed, and nothing twice."""
        for task in outgoing.tasks:
            attempt = (task.key, task.node_id, task.attempt)
            node = self._graph(task.key).index[task.node_id]
            if (node, task.attempt) not in self._ledger(task.key).scheduled:
                self.object_to(f"{attempt} goes to workers before it is in the history")
            if attempt in self._queued:
                self.object_to(f"{attempt} goes to workers twice")
            self._queued.add(attempt)
        for partition, entry_ids in outgoing.acknowledged.items():
            for entry_id in entry_ids:
                envelope = self._transport.logs[partition].entries.get(int(entry_id.partition("-")[0]))
                if envelope is not None:
                    self._acknowledging(envelope.command)

    def reported(self, attempt: Attempt, outcome: str) -> None:
        """Note that a worker made a report."""
        self._reported.add((attempt, outcome))

    def answered(self, attempt: Attempt, outcome: str, verdict: Verdict | None) -> None:
        """Judge the answer to a report that a worker got: what was accepted is in the history."""
        if verdict is not Verdict.ACCEPTED:
            return
        key, node_id, number = attempt
        found = (self._graph(key).index[node_id], number)
        ledger = self._ledger(key)
        if outcome == "Completed" and found not in ledger.completed:
            self.object_to(f"{attempt} was acknowledged as completed, and is not in the history")
        if outcome == "Failed" and found not in ledger.failed and not ledger.cancelling:
            self.object_to(f"{attempt} was acknowledged as failed, and is not in the history")

    def cancelled(self, key: ExecutionKey, status: ExecutionStatus) -> None:
        """Judge the answer to a cancel."""
        ledger = self._ledger(key)
        if not (ledger.cancelling or ledger.closed):
            self.object_to(f"the cancel of {key} was answered {status.name}, and is not in the history")

    def compare(self, lanes: Iterable[Lane], keys: Collection[ExecutionKey]) -> None:
        """Judge the memory of an owner: it is the fold of the history, or older than it."""
        for lane in lanes:
            for owned in lane._partitions.values():
                for key in keys:
                    live = owned.executions.get(key)
                    if live is not None:
                        self._compare(live.state)

    def look_back(self) -> None:
        """Judge all that is stored."""
        for key in self.accepted:
            if key not in self._database.executions:
                self.object_to(f"{key} was accepted, and is gone")
        for key, row in self._database.executions.items():
            state = self._fold(key)
            if state.status is not row.record.status:
                self.object_to(
                    f"{key} is {state.status.name} by its history, {row.record.status.name} listed"
                )

    def _acknowledging(self, command: Command) -> None:
        """A command that is done has nothing more to do."""
        if isinstance(command, StartTask | RetryTask) or command.key not in self._database.executions:
            return
        transition = step(self._fold(command.key), command, self._database.clock.now(), 1_000)
        if transition.events:
            self.object_to(f"{command} is acknowledged, and was not decided")

    def _compare(self, state: ExecutionState) -> None:
        folded = self._fold(state.key)
        if folded.last_sequence > state.last_sequence:
            return
        differ = [name for name in _COMPARED if getattr(folded, name) != getattr(state, name)]
        if differ:
            self.object_to(f"{state.key}: memory and history differ in {differ}")

    def _fold(self, key: ExecutionKey) -> ExecutionState:
        record = self._database.executions[key].record
        state = ExecutionState(key, self._graph(key), record.input)
        fold(state, self._events(key))
        return state

    def _events(self, key: ExecutionKey) -> Iterator[Event]:
        rows: Mapping[int, Sequence[Event]] = self._database.histories.get(key, {})
        return (event for row in rows.values() for event in row)

    def _ledger(self, key: ExecutionKey) -> Ledger:
        if key not in self._ledgers:
            self._ledgers[key] = Ledger(self._workflow(key), lambda what: self.object_to(f"{key}: {what}"))
        return self._ledgers[key]

    def _graph(self, key: ExecutionKey) -> Graph:
        workflow = self._workflow(key)
        if workflow.name not in self._graphs:
            self._graphs[workflow.name] = plan_graph(workflow, "", compile_condition)
        return self._graphs[workflow.name]

    def _workflow(self, key: ExecutionKey) -> Workflow:
        digest = self._database.executions[key].record.workflow_digest
        return self._database.definitions[key.namespace, digest]
