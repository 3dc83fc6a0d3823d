"""Workers, their tasks, and where they are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, Protocol

from flowmesh_core.application.worker_gateway.task_token import TaskClaims
from flowmesh_core.domain.errors import FlowmeshError
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import QueuedTask
from flowmesh_core.ports.telemetry import Span


class Offer(NamedTuple):
    """Which handlers a worker runs; `handlers` None stands for all of the namespace."""

    namespace: str
    handlers: frozenset[str] | None

    def covers(self, handler: str) -> bool:
        """Say whether the worker runs a handler of its namespace."""
        return self.handlers is None or handler in self.handlers


class Assignment(NamedTuple):
    """A task on its way to a worker."""

    token: bytes
    deadline: Micros
    task: QueuedTask


class ReportAnswer(NamedTuple):
    """The owner's word on a report; `refusal` is set instead when the report itself was wrong."""

    token: bytes
    verdict: Verdict | None
    refusal: FlowmeshError | None = None


class Channel(Protocol):
    """What a connected worker is reached through. Nothing here waits."""

    @property
    def is_congested(self) -> bool:
        """Whether so much waits to be sent that no task should be added."""

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Send tasks."""

    def answer(self, answers: Sequence[ReportAnswer]) -> None:
        """Send what became of reports."""

    def cancel(self, tokens: Sequence[bytes]) -> None:
        """Tell the worker to stop tasks."""

    def go_away(self, reconnect_within: float) -> None:
        """Ask the worker to connect elsewhere within so many seconds."""

    def close(self, error: FlowmeshError | None) -> None:
        """End the connection after what was sent before; `error` says why, None is an ordinary end."""

    def unsent(self) -> Sequence[bytes]:
        """Return the tokens of assigned tasks that never left."""


@dataclass(slots=True, eq=False)
class WorkerSession:
    """A worker as one gateway knows it.

    Attributes:
        session_id: Names it in a later Hello; begins with the gateway's id.
        worker_id: What the worker calls itself.
        offer: What it runs.
        slots: How many tasks it runs at once.
        labels: Words about it, sorted.
        connected_at: When it began.
        last_seen_at: When the worker was last heard of, on the wall clock.
        expires_at: When its tasks are lost unless it is heard of, on the monotonic clock.
        is_polled: Whether the worker makes unary calls; then each task has its own lease.
        held: Its tasks by token.
        channel: Where it is reached; None while it is detached, and when it polls.
        ended: Whether the session is over.
    """

    session_id: str
    worker_id: str
    offer: Offer
    slots: int
    labels: tuple[tuple[str, str], ...]
    connected_at: Micros
    last_seen_at: Micros
    expires_at: float
    is_polled: bool = False
    held: dict[bytes, HeldTask] = field(default_factory=dict)
    channel: Channel | None = None
    ended: bool = False

    @property
    def namespace(self) -> str:
        """The namespace it works for."""
        return self.offer.namespace

    def next_due(self) -> float:
        """Return when it expires."""
        return inf if self.ended else self.expires_at


@dataclass(slots=True, eq=False)
class HeldTask:
    """A task that a worker of this gateway holds. Deadlines are on the monotonic clock.

    Attributes:
        token: Its token.
        claims: What the token says.
        session: Who holds it.
        assigned_at: When it was handed over, on the wall clock.
        close_at: When the attempt times out.
        heartbeat_at: When its handler has been silent for too long.
        lease_at: When a polling worker has been silent about it for too long.
        start_due: When to report that it runs; infinity when that was done.
        start_correlation: The report that it runs, while it is undecided.
        reported: Whether its worker told how it ended; then no deadline binds.
        cancelled: Whether the worker was told to stop it.
        missed_beats: How many beats in a row did not name it.
        ended: Whether it is not held any more.
        span: Its step in the trace of its execution, when that is followed.
    """

    token: bytes
    claims: TaskClaims
    session: WorkerSession
    assigned_at: Micros
    close_at: float
    heartbeat_at: float
    lease_at: float
    start_due: float
    start_correlation: str = ""
    reported: bool = False
    cancelled: bool = False
    missed_beats: int = 0
    ended: bool = False
    span: Span | None = None

    def next_due(self) -> float:
        """Return the earliest of its deadlines."""
        if self.ended or self.reported:
            return inf
        return min(self.start_due, self.close_at, self.heartbeat_at, self.lease_at)
