"""Commands to owners that are not answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from math import inf

from flowmesh_core.application.waiting import wait_for
from flowmesh_core.application.worker_gateway.session import HeldTask, WorkerSession
from flowmesh_core.application.worker_gateway.task_token import TaskClaims
from flowmesh_core.domain.commands import TaskCommand
from flowmesh_core.domain.identity import partition_of
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import CommandEnvelope, QueueEntry
from flowmesh_core.ports.telemetry import Span


class Purpose(Enum):
    """Why a command was sent."""

    START = "start"
    """A worker runs the task."""
    REPORT = "report"
    """A worker told how the task ended."""
    RULING = "ruling"
    """The gateway itself found that the task ended."""


@dataclass(slots=True, eq=False)
class Undecided:
    """A command on its way to its owner and back.

    Attributes:
        envelope: What is sent.
        purpose: Why.
        token: The task's token.
        held: The task, when it is held here.
        span: The task's step in its trace, when that is followed.
        sent_at: When it was sent last, on the monotonic clock; infinity while it waits to be.
        sessions: The workers that hear of the decision on their streams.
        callers: The unary calls that wait for it.
    """

    envelope: CommandEnvelope
    purpose: Purpose
    token: bytes
    held: HeldTask | None
    span: Span | None = None
    sent_at: float = inf
    sessions: list[WorkerSession] = field(default_factory=list)
    callers: list[asyncio.Future[Verdict]] = field(default_factory=list)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still has a use for the answer."""
        if self.purpose is Purpose.START:
            return self.held is not None and not self.held.ended
        if self.purpose is Purpose.RULING or self.held is not None:
            return True
        waiting = any(not caller.done() for caller in self.callers)
        return waiting or any(not session.ended for session in self.sessions)

    def settle(self, verdict: Verdict) -> None:
        """Tell the waiting calls."""
        for caller in self.callers:
            if not caller.done():
                caller.set_result(verdict)


class Decisions:
    """Keeps commands until they are answered, and sends again what stays unanswered.

    Attributes:
        arrived: Set when there is something to send.
    """

    def __init__(self, gateway_id: str, partitions: int, maximum: int) -> None:
        """Answers go to the mailbox of `gateway_id`; `maximum` is how many may wait for one."""
        self.arrived = asyncio.Event()
        self._gateway_id = gateway_id
        self._partitions = partitions
        self._maximum = maximum
        self._numbers = count(1)
        self._undecided: dict[str, Undecided] = {}
        self._reports: dict[bytes, Undecided] = {}
        self._unsent: list[Undecided] = []
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __len__(self) -> int:
        return len(self._undecided)

    @property
    def undecided_reports(self) -> int:
        """How many reports of workers wait for their decision."""
        return len(self._reports)

    def queue_entries(self) -> set[QueueEntry | None]:
        """Return where the tasks lie that commands wait for an answer about."""
        return {undecided.envelope.queue_entry for undecided in self._undecided.values()}

    async def room(self, clock: Clock, seconds: float) -> bool:
        """Wait until there is room for another batch of reports; return False after `seconds` without."""
        return await wait_for(self._has_room, clock, seconds)

    def report_on(self, token: bytes) -> Undecided | None:
        """Return the undecided report about a task."""
        return self._reports.get(token)

    def ask(
        self,
        command: TaskCommand,
        claims: TaskClaims,
        purpose: Purpose,
        token: bytes,
        held: HeldTask | None = None,
        span: Span | None = None,
    ) -> Undecided:
        """Send a command about a task, now and until it is answered."""
        correlation_id = f"task-{next(self._numbers)}"
        envelope = CommandEnvelope(
            partition_of(command.key, self._partitions),
            command,
            self._gateway_id,
            correlation_id,
            claims.queue_entry,
            "" if span is None else span.traceparent,
        )
        undecided = Undecided(envelope, purpose, token, held, span)
        self._undecided[correlation_id] = undecided
        if purpose is Purpose.REPORT:
            self._reports[token] = undecided
        self._unsent.append(undecided)
        self.arrived.set()
        if len(self._undecided) >= self._maximum:
            self._has_room.clear()
        return undecided

    def take(self, correlation_id: str) -> Undecided | None:
        """Return a command whose answer came, or does not matter any more, and forget it."""
        undecided = self._undecided.pop(correlation_id, None)
        if undecided is None:
            return None
        if undecided.purpose is Purpose.REPORT:
            del self._reports[undecided.token]
        if len(self._undecided) < self._maximum:
            self._has_room.set()
        return undecided

    def next_batch(self, limit: int) -> Sequence[Undecided]:
        """Return what is to be sent, which must be given to `sent` or `unsent` afterwards."""
        batch = [undecided for undecided in self._unsent[:limit] if self._is_open(undecided)]
        del self._unsent[:limit]
        if not self._unsent:
            self.arrived.clear()
        return batch

    def sent(self, batch: Sequence[Undecided], now: float) -> None:
        """Note that a batch was sent at `now`."""
        for undecided in batch:
            undecided.sent_at = now
            correlation_id = undecided.envelope.correlation_id
            if correlation_id in self._undecided:  # to the end: they lie in the order of their sending
                self._undecided[correlation_id] = self._undecided.pop(correlation_id)

    def unsent(self, batch: Sequence[Undecided]) -> None:
        """Note that a batch could not be sent."""
        self._unsent[:0] = batch
        self.arrived.set()

    def resend(self, sent_before: float, limit: int) -> int:
        """Send again, at most `limit`, what was sent before a moment and is still wanted; return how many."""
        late: list[Undecided] = []
        for undecided in self._undecided.values():
            if undecided.sent_at > sent_before or len(late) == limit:
                break
            late.append(undecided)
        for undecided in late:
            undecided.sent_at = inf
            if undecided.is_wanted:
                self._unsent.append(undecided)
                self.arrived.set()
            else:
                self.take(undecided.envelope.correlation_id)
        return len(late)

    def _is_open(self, undecided: Undecided) -> bool:
        return undecided.envelope.correlation_id in self._undecided
