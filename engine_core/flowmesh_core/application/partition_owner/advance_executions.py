"""Deciding a batch of commands: step, append, send, in this order and no other."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.partition_owner.decide_spans import DecideSpans
from flowmesh_core.application.partition_owner.event_counts import count_events
from flowmesh_core.application.partition_owner.load_executions import Loaded, LoadExecutions
from flowmesh_core.application.partition_owner.outgoing import BatchResult
from flowmesh_core.application.partition_owner.owned_partition import LiveExecution, OwnedPartition
from flowmesh_core.application.partition_owner.settings import OwnerSettings
from flowmesh_core.application.partition_owner.timers import TimerHeap
from flowmesh_core.domain.commands import StartTask
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.step import step
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Transition, Verdict
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import DeliveredCommand
from flowmesh_core.ports.history_store import HistoryBatch, HistoryStore
from flowmesh_core.ports.outbox import Outbox
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)


class LeaseUnsafe(Exception):
    """The lease may be over, so nothing was written; what was decided is void."""


@dataclass(frozen=True, slots=True)
class AdvancePorts:
    """What deciding needs from the world."""

    history: HistoryStore
    outbox: Outbox
    loader: LoadExecutions
    clock: Clock
    telemetry: Telemetry


class AdvanceExecutions:
    """Decides commands of the partitions of one lane.

    When it raises, the memory of every partition in the batch is ahead of the
    history or in doubt: the caller drops it.
    """

    def __init__(
        self, ports: AdvancePorts, lease: MemberLease, timers: TimerHeap, settings: OwnerSettings
    ) -> None:
        """Write under `lease`; new timers go into `timers`."""
        self._history = ports.history
        self._outbox = ports.outbox
        self._loader = ports.loader
        self._clock = ports.clock
        self._telemetry = ports.telemetry
        self._lease = lease
        self._timers = timers
        self._settings = settings

    async def advance(
        self, partitions: Mapping[int, OwnedPartition], batch: Sequence[DeliveredCommand]
    ) -> Sequence[DeliveredCommand]:
        """Decide `batch`, make the decisions durable, and send what follows from them.

        Returns:
            The commands whose graphs are still being planned; nothing was done to them.

        Raises:
            LeaseUnsafe: The lease may be over.
            OwnershipLost: Some partitions have another owner; nothing was written.
            HistoryConflict: Another owner wrote; nothing was written.
            AppendOutcomeUnknown: It may have been written.
            StoreUnavailable: Nothing was written, or not everything was sent.
            TransportLost: What was sent before may be gone.
        """
        strangers = await self._load_strangers(partitions, batch)
        now = self._clock.now()
        decided = _Decided(BatchResult(now), DecideSpans(self._telemetry), strangers)
        for delivered in batch:
            self._decide(partitions[delivered.envelope.partition], delivered, now, decided)
        try:
            await self._append(partitions, decided.result.batches())
            await self._send(decided.result)
        except BaseException as error:
            decided.spans.fail(type(error).__name__)
            raise
        decided.spans.end()
        self._settle(partitions, decided.touched.values())
        self._telemetry.count("flowmesh.commands.decided", len(batch) - len(decided.late))
        return decided.late

    async def refuse(self, delivered: DeliveredCommand) -> None:
        """Answer a command that cannot be made durable whatever one does, so that it does not come back.

        Raises:
            LeaseUnsafe: The lease may be over.
            StoreUnavailable: It may come back.
            TransportLost: What was sent before may be gone.
        """
        self._telemetry.count("flowmesh.commands.poisoned")
        result = BatchResult(self._clock.now())
        result.answer(delivered, Verdict.UNKNOWN)
        await self._send(result)

    async def _load_strangers(
        self, partitions: Mapping[int, OwnedPartition], batch: Sequence[DeliveredCommand]
    ) -> Loaded:
        """Load what the batch needs and memory lacks."""
        strangers: dict[ExecutionKey, int] = {}
        for delivered in batch:
            envelope = delivered.envelope
            if envelope.command.key not in partitions[envelope.partition].executions:
                strangers[envelope.command.key] = envelope.partition
        if not strangers:
            return Loaded({})
        loaded = await self._loader.load(strangers, patience=self._settings.graph_patience)
        for key, live in loaded.executions.items():
            # A command that came by a wrong partition finds no execution there.
            if live.partition == strangers[key]:
                partitions[live.partition].add(live)
                self._timers.add_all(live)
        return loaded

    def _decide(
        self, owned: OwnedPartition, delivered: DeliveredCommand, now: Micros, decided: _Decided
    ) -> None:
        command = delivered.envelope.command
        if command.key in decided.poisoned:
            owned.backlog.append(delivered)
            return
        live = owned.executions.get(command.key)
        if live is None:
            decided.do_without(delivered)
            return
        try:
            transition = step(live.state, command, now, self._settings.window)
        except Exception:
            _logger.exception(
                "execution %s: %s cannot be decided",
                command.key,
                type(command).__name__,
                extra=command.key._asdict(),
            )
            self._poison(owned, delivered, decided)
            return
        decided.take(live, delivered, transition)
        if transition.events:
            self._timers.follow(live, transition.events)
            if isinstance(command, StartTask):
                owned.gateways.add(command.gateway_id)

    def _poison(self, owned: OwnedPartition, delivered: DeliveredCommand, decided: _Decided) -> None:
        """Give up on one command, not on its partition: its execution is folded again."""
        key = delivered.envelope.command.key
        self._telemetry.count("flowmesh.commands.poisoned")
        decided.poisoned.add(key)
        decided.result.answer(delivered, Verdict.UNKNOWN)
        del owned.executions[key]

    async def _append(
        self, partitions: Mapping[int, OwnedPartition], batches: Sequence[HistoryBatch]
    ) -> None:
        self._check_lease()
        if not batches:
            return
        leases = {batch.partition: partitions[batch.partition].lease for batch in batches}
        started = self._clock.monotonic()
        await self._history.append(self._lease.member_id, list(leases.values()), batches)
        self._telemetry.measure("flowmesh.append.duration", self._clock.monotonic() - started)
        count_events(self._telemetry, batches)

    async def _send(self, result: BatchResult) -> None:
        self._check_lease()
        started = self._clock.monotonic()
        result.remember_entries(await self._outbox.flush(result.outgoing()))
        self._telemetry.measure("flowmesh.flush.duration", self._clock.monotonic() - started)

    def _check_lease(self) -> None:
        if not self._lease.is_safe:
            raise LeaseUnsafe

    def _settle(self, partitions: Mapping[int, OwnedPartition], touched: Collection[LiveExecution]) -> None:
        """Let go of executions that have ended or not begun."""
        for live in touched:
            status = live.state.status
            if status.is_terminal or status is ExecutionStatus.PENDING:
                partitions[live.partition].executions.pop(live.state.key, None)


class _Decided:
    """A batch while it is decided."""

    def __init__(self, result: BatchResult, spans: DecideSpans, strangers: Loaded) -> None:
        self.result = result
        self.spans = spans
        self.touched: dict[ExecutionKey, LiveExecution] = {}
        self.poisoned: set[ExecutionKey] = set()
        self.late: list[DeliveredCommand] = []
        self._strangers = strangers

    def take(self, live: LiveExecution, delivered: DeliveredCommand, transition: Transition) -> None:
        self.touched[live.state.key] = live
        self.result.add(live, delivered, transition)
        self.spans.begin(live, delivered.envelope, transition.verdict)

    def do_without(self, delivered: DeliveredCommand) -> None:
        """Answer for an execution that is not there, unless it is late; the task of a broken one stays."""
        key = delivered.envelope.command.key
        if key in self._strangers.late:
            self.late.append(delivered)
            return
        self.result.answer(delivered, Verdict.UNKNOWN)
        if key not in self._strangers.broken:
            self.result.remove_entry(delivered)
