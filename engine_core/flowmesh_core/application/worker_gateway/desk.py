"""What a gateway knows: its sessions and the tasks they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from math import inf

from flowmesh_core.application.worker_gateway.deadlines import Deadlines
from flowmesh_core.application.worker_gateway.decisions import Decisions, Purpose
from flowmesh_core.application.worker_gateway.demand import Demands
from flowmesh_core.application.worker_gateway.errands import Errands
from flowmesh_core.application.worker_gateway.session import HeldTask, WorkerSession
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.application.worker_gateway.task_span import end_given_up
from flowmesh_core.application.worker_gateway.task_token import TaskClaims, TaskIdentity, TaskTokens
from flowmesh_core.domain.commands import LoseTask, TaskCommand
from flowmesh_core.domain.errors import InvalidTaskToken
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import SECOND
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.telemetry import Span, Telemetry


class Desk:
    """The state of one gateway, and the few ways in which a task comes and goes.

    Attributes:
        gateway_id: The id of this gateway and of its mailbox.
        settings: What it allows.
        clock: Its time.
        telemetry: Where it counts.
        tokens: Seals and opens task tokens.
        demands: The room that its workers have.
        decisions: Commands that are not answered yet.
        errands: What is to be done on Redis besides.
        deadlines: When tasks and sessions are to be looked at.
        sessions: Every session by its id.
        workers_changed: Set when a worker came or went.
    """

    def __init__(
        self,
        gateway_id: str,
        cluster: Cluster,
        settings: GatewaySettings,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Start without sessions."""
        self.gateway_id = gateway_id
        self.settings = settings
        self.clock = clock
        self.telemetry = telemetry
        self.tokens = TaskTokens(cluster.token_key)
        self.demands = Demands()
        self.decisions = Decisions(gateway_id, cluster.partitions, settings.maximum_undecided)
        self.errands = Errands()
        self.deadlines = Deadlines[HeldTask | WorkerSession]()
        self.sessions: dict[str, WorkerSession] = {}
        self.workers_changed = asyncio.Event()
        self._tasks: dict[TaskIdentity, HeldTask] = {}

    @property
    def held_tasks(self) -> Collection[HeldTask]:
        """Every task that is held here."""
        return self._tasks.values()

    def find(self, token: bytes) -> HeldTask | None:
        """Return the task of a token when it is held here, by whoever."""
        try:
            claims = self.tokens.open(token)
        except InvalidTaskToken:
            return None
        return self.find_attempt(claims.identity)

    def find_attempt(self, identity: TaskIdentity) -> HeldTask | None:
        """Return an attempt when it is held here."""
        return self._tasks.get(identity)

    def hold(
        self,
        token: bytes,
        claims: TaskClaims,
        session: WorkerSession,
        *,
        start_in: float,
        span: Span | None = None,
    ) -> HeldTask:
        """Let a session hold a task, which is reported as running in `start_in` seconds."""
        wall, now = self.clock.now(), self.clock.monotonic()
        held = HeldTask(
            token=token,
            claims=claims,
            session=session,
            assigned_at=wall,
            close_at=now + (claims.deadline - wall) / SECOND,
            heartbeat_at=now + claims.heartbeat / SECOND if claims.heartbeat else inf,
            lease_at=now + self.settings.lease_ttl if session.is_polled else inf,
            start_due=now + start_in,
            span=span,
        )
        session.held[token] = held
        self._tasks[claims.identity] = held
        self.deadlines.watch(held, now)
        return held

    def drop(self, held: HeldTask) -> None:
        """Let go of a task. Safe to repeat."""
        self.forget_start(held)
        held.ended = True
        held.session.held.pop(held.token, None)
        if self._tasks.get(held.claims.identity) is held:
            del self._tasks[held.claims.identity]

    def give_up(self, held: HeldTask) -> None:
        """Let go of a task that somebody else takes care of."""
        self.drop(held)
        if held.span is not None:
            end_given_up(held.span)

    def end_spans(self) -> None:
        """End the steps of what is still held, for this gateway ends."""
        for held in self.held_tasks:
            if held.span is not None:
                end_given_up(held.span)

    def forget_start(self, held: HeldTask) -> None:
        """Stop asking the owner to record that a task runs."""
        if held.start_correlation:
            self.decisions.take(held.start_correlation)
            held.start_correlation = ""

    def rule(self, held: HeldTask, command: TaskCommand) -> None:
        """Let go of a task and tell its owner why."""
        self.drop(held)
        self.decisions.ask(command, held.claims, Purpose.RULING, held.token, span=held.span)

    def lose(self, held: HeldTask, cause: LostCause) -> None:
        """Let go of a task that its worker does not run, unless the worker told how it ended."""
        if not held.reported and not held.ended:
            self.rule(held, LoseTask(*held.claims.identity, cause))

    def lose_all(self, session: WorkerSession, cause: LostCause) -> None:
        """Let go of everything that a session holds."""
        for held in list(session.held.values()):
            self.lose(held, cause)

    def touch(self, session: WorkerSession) -> None:
        """Note that a worker was heard of."""
        session.last_seen_at = self.clock.now()
        session.expires_at = self.clock.monotonic() + self.settings.lease_ttl

    def heartbeat(self, held: HeldTask) -> None:
        """Note that a handler was heard of."""
        now = self.clock.monotonic()
        if held.claims.heartbeat:
            held.heartbeat_at = now + held.claims.heartbeat / SECOND
        if held.session.is_polled:
            held.lease_at = now + self.settings.lease_ttl
            self.touch(held.session)
