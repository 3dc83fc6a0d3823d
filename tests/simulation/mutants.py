"""Defects put in on purpose: the simulation has to find every one of them.

Each replaces one method of the engine, or of a twin where the twin stands for
a guarantee of the store. `seed` is one that finds it: the search starts there, because any change of the
engine changes what later seeds do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.application.cluster_clock import ClusterClock
from flowmesh_core.application.partition_owner import take_over
from flowmesh_core.application.partition_owner.advance_executions import AdvanceExecutions
from flowmesh_core.application.partition_owner.outgoing import BatchResult
from flowmesh_core.application.partition_owner.own_partitions import OwnPartitions
from flowmesh_core.application.partition_owner.take_over import TakeOver
from flowmesh_core.application.partition_owner.timers import TimerHeap
from flowmesh_core.application.reap_executions import StartOrphans
from flowmesh_core.application.reap_lost_tasks import ReapLostTasks
from flowmesh_core.application.worker_gateway.attachment import Attachments, Connection
from flowmesh_core.application.worker_gateway.decisions import Decisions
from flowmesh_core.application.worker_gateway.inventory import Inventory
from flowmesh_core.domain import step
from flowmesh_core.domain.decision import Decision
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Dispatch, Verdict
from flowmesh_core.ports.command_log import DeliveredCommand
from flowmesh_core.ports.history_store import AppendOutcomeUnknown, HistoryBatch
from flowmesh_core.ports.membership import PartitionLease
from flowmesh_core.ports.outbox import Outgoing
from tests.simulation.simulation import Outcome, simulate


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect.

    Attributes:
        name: What is wrong.
        target: What is replaced: its owner and its name there.
        defect: What takes its place.
        seed: The first seed that finds it.
    """

    name: str
    target: tuple[Any, str]
    defect: object
    seed: int

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the defect."""
        owner, name = self.target
        original = owner.__dict__[name]
        setattr(owner, name, self.defect)
        try:
            yield
        finally:
            setattr(owner, name, original)


_advance = AdvanceExecutions.advance
_append = AdvanceExecutions._append
_send = AdvanceExecutions._send
_detach = Attachments.detach


async def _send_before_append(
    self: AdvanceExecutions, partitions: Any, batch: Sequence[DeliveredCommand]
) -> None:
    """Dispatch, then append."""
    held: list[Any] = []

    async def append(_partitions: Any, batches: Any) -> None:
        held.append(batches)

    async def send(result: BatchResult) -> None:
        await _send(self, result)
        await _append(self, partitions, held.pop())

    self._append, self._send = append, send  # type: ignore[method-assign, assignment]
    try:
        await _advance(self, partitions, batch)
    finally:
        del self._append, self._send


async def _advance_acknowledging(
    self: AdvanceExecutions, partitions: Any, batch: Sequence[DeliveredCommand]
) -> None:
    entries: dict[int, list[str]] = {}
    for delivered in batch:
        if delivered.entry_id:
            entries.setdefault(delivered.envelope.partition, []).append(delivered.entry_id)

    async def append(_partitions: Any, batches: Any) -> None:
        await self._outbox.flush(Outgoing(acknowledged=entries))
        await _append(self, partitions, batches)

    self._append = append  # type: ignore[method-assign, assignment]
    try:
        await _advance(self, partitions, batch)
    finally:
        del self._append


async def _append_again(self: AdvanceExecutions, partitions: Any, batches: Sequence[HistoryBatch]) -> None:
    """Take an unknown commit for none, and write behind whatever is there."""
    try:
        await _append(self, partitions, batches)
    except AppendOutcomeUnknown:
        again = []
        for batch in batches:
            there = await self._history.read(batch.key, after=0, limit=10_000)
            start = (there[-1].sequence if there else 0) + 1
            events = tuple(replace(event, sequence=start + at) for at, event in enumerate(batch.events))
            again.append(HistoryBatch(batch.key, batch.partition, events))
        await _append(self, partitions, again)


async def _take_unknown_for_committed(self: AdvanceExecutions, partitions: Any, batches: Any) -> None:
    try:
        await _append(self, partitions, batches)
    except AppendOutcomeUnknown:
        return


async def _mark_before_tasks(self: AdvanceExecutions, result: BatchResult) -> None:
    """Note what is dispatched, then dispatch it."""
    outgoing = result.outgoing()
    await self._outbox.flush(Outgoing(dispatched=outgoing.dispatched))
    result.remember_entries(await self._outbox.flush(replace(outgoing, dispatched={})))


async def _keep_what_did_not_load(
    self: OwnPartitions, lane: Any, leases: Sequence[PartitionLease], transport_lost: bool
) -> None:
    """Renew the lease of partitions that were never loaded."""
    with suppress(Exception):
        await lane.take(leases, transport_lost=transport_lost)
    self._serving.update({lease.partition: lease for lease in leases})


def _reuse_attempt(self: Decision, node: int, cause: LostCause) -> None:  # noqa: ARG001
    """Send the same attempt once more."""
    payload = self.state.graph.nodes[node].resolve(self.state.scope)
    self._dispatches.append(Dispatch(node, self.state.attempts[node], payload))


def _forget_on_stream_loss(self: Attachments, connection: Connection) -> None:
    """Let go of a worker's tasks with its stream."""
    for held in list(connection.session.held.values()):
        self._desk.drop(held)
        self._desk.errands.remove(held.claims.queue_entry)
    _detach(self, connection)


async def _remove_before_decision(self: ReapLostTasks, gateway_id: str) -> None:
    """Remove the tasks of a dead gateway, then tell their owners."""
    abandoned = await self._queue.abandoned(gateway_id, 1_000)
    await self._queue.remove([taken.entry for taken in abandoned])
    lost = [self._lose(taken) for taken in abandoned]
    await self._log.send(lost)


async def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """Do nothing."""


def _none(*_args: Any, **_kwargs: Any) -> int:
    return 0


def _of_the_machine(self: ClusterClock) -> Micros:
    return self._local.now()


def _always(*_args: Any, **_kwargs: Any) -> bool:
    return True


def _never(*_args: Any) -> bool:
    return False


def _any_attempt(self: ExecutionState, node: int, attempt: int) -> bool:  # noqa: ARG001
    return bool(self.attempts[node]) and not self.status.is_terminal


def _no_redispatch(taken: Any, dispatched: Any) -> Iterator[DeliveredCommand]:  # noqa: ARG001
    return iter(())


def _late_is_accepted(*_args: Any) -> Verdict:
    return Verdict.ACCEPTED


MUTANTS: Sequence[Mutant] = (
    Mutant("dispatch before append", (AdvanceExecutions, "advance"), _send_before_append, 0),
    Mutant("no epoch check in append", (MemoryHistoryStore, "_holds"), _always, 295),
    Mutant("commands acknowledged before commit", (AdvanceExecutions, "advance"), _advance_acknowledging, 0),
    Mutant("blind retry of an unknown commit", (AdvanceExecutions, "_append"), _append_again, 16),
    Mutant(
        "an unknown commit taken for one", (AdvanceExecutions, "_append"), _take_unknown_for_committed, 13
    ),
    Mutant("lease kept of what never loaded", (OwnPartitions, "_load_group"), _keep_what_did_not_load, 4),
    Mutant("completions not deduplicated", (ExecutionState, "is_live"), _any_attempt, 1),
    Mutant("attempt number used again", (Decision, "reschedule"), _reuse_attempt, 0),
    Mutant("no redispatch on takeover", (take_over, "_redispatches"), _no_redispatch, 11),
    Mutant("tasks forgotten with the stream", (Attachments, "detach"), _forget_on_stream_loss, 23),
    Mutant("timers not rebuilt on takeover", (TimerHeap, "add_all"), _none, 16),
    Mutant("reaper removes before the decision", (ReapLostTasks, "_reap"), _remove_before_decision, 1100),
    Mutant("dispatched sequence before tasks", (AdvanceExecutions, "_send"), _mark_before_tasks, 104),
    Mutant("orphans never started", (StartOrphans, "sweep"), _nothing, 4),
    Mutant("commands not sent again", (Decisions, "resend"), _none, 2),
    Mutant("marks of closed executions kept", (TakeOver, "_forget_closed"), _nothing, 13),
    Mutant("nobody takes stock", (Inventory, "take_stock"), _nothing, 812),
    Mutant("wall clocks of machines", (ClusterClock, "now"), _of_the_machine, 41),
    Mutant("marks set on a Redis that lost data", (MemoryOutbox, "_is_lost"), _never, 1483),
    Mutant("late reports accepted", (step, "_late_verdict"), _late_is_accepted, 0),
)


def find(number: int, seeds: int) -> Outcome | None:
    """Return the first run that finds a mutant, in so many seeds from the one that did before."""
    mutant = MUTANTS[number]
    with mutant.applied():
        outcomes = (simulate(seed) for seed in range(mutant.seed, mutant.seed + seeds))
        return next((outcome for outcome in outcomes if outcome.violations), None)
