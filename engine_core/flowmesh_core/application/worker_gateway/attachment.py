"""How workers come, stay and go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count

from flowmesh_core.application.worker_gateway.demand import Demand
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.session import Channel, HeldTask, Offer, WorkerSession
from flowmesh_core.application.worker_gateway.task_token import TaskClaims
from flowmesh_core.domain.errors import InvalidTaskToken, WorkerReplaced, WorkerSilent
from flowmesh_core.domain.states import LostCause
from flowmesh_core.ports.mailbox import TasksMoved


@dataclass(frozen=True, slots=True)
class WorkerHello:
    """How a worker introduces itself.

    Attributes:
        worker_id: What it calls itself.
        offer: What it runs.
        slots: How many tasks it runs at once.
        labels: Words about it, sorted.
        session_id: The session it had before; empty for none.
        held_tokens: The tasks that it still holds from then.
    """

    worker_id: str
    offer: Offer
    slots: int
    labels: tuple[tuple[str, str], ...] = ()
    session_id: str = ""
    held_tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """One stream or one waiting poll of a worker.

    Attributes:
        session: Whose it is.
        demand: Its room for tasks.
        channel: Where it is reached.
        lost_tokens: Tokens of the Hello that are not held any more.
    """

    session: WorkerSession
    demand: Demand
    channel: Channel
    lost_tokens: tuple[bytes, ...] = ()


class Attachments:
    """Opens and closes sessions. A stream may end without its session, and the tasks stay held."""

    def __init__(self, desk: Desk) -> None:
        """Work on the gateway's state."""
        self._desk = desk
        self._numbers = count(1)
        self._streams: dict[tuple[str, str], Connection] = {}
        self._pollers: dict[tuple[str, str], WorkerSession] = {}
        self._polls: dict[Connection, None] = {}

    @property
    def connections(self) -> Collection[Connection]:
        """Every open stream and waiting poll."""
        return [*self._streams.values(), *self._polls]

    def elsewhere(self, hello: WorkerHello) -> dict[bytes, TaskClaims]:
        """Return the tasks of a Hello that another gateway holds, as far as their tokens tell."""
        was_here = hello.session_id.startswith(f"{self._desk.gateway_id}/") or not hello.session_id
        found: dict[bytes, TaskClaims] = {}
        for token in hello.held_tokens:
            claims = self._open(token, hello)
            if claims is None or self._desk.find_attempt(claims.identity) is not None:
                continue
            if claims.gateway_id != self._desk.gateway_id or not was_here:
                found[token] = claims
        return found

    def attach(self, hello: WorkerHello, channel: Channel, brought: dict[bytes, TaskClaims]) -> Connection:
        """Open a stream for a worker, which takes the place of an earlier one.

        `brought` are the tasks that were taken over from other gateways for it.
        """
        self._replace(hello)
        session = self._resume(hello) or self._begin(hello, is_polled=False)
        session.channel, session.offer = channel, hello.offer
        session.slots, session.labels = hello.slots, hello.labels
        self._desk.touch(session)
        self._return_unnamed(session, hello)
        self._rebind(session, hello)
        self._take_over(session, hello, brought)
        lost = tuple(token for token in hello.held_tokens if token not in session.held)
        connection = Connection(session, Demand(session, hello.offer, channel), channel, lost)
        self._streams[_name(session)] = connection
        self._desk.demands.add(connection.demand)
        self._desk.workers_changed.set()
        return connection

    def detach(self, connection: Connection) -> None:
        """Close a stream; what its worker holds stays held for the time of the lease. Safe to repeat."""
        session = connection.session
        self._desk.demands.remove(connection.demand)
        self._yield(session, connection.channel.unsent())
        if self._streams.get(_name(session)) is connection:
            del self._streams[_name(session)]
        if session.channel is connection.channel:
            session.channel = None
            session.expires_at = self._desk.clock.monotonic() + self._desk.settings.lease_ttl
            if not session.held:
                self._end(session)
            self._desk.workers_changed.set()

    def open_poll(self, hello: WorkerHello, channel: Channel, maximum: int) -> Connection:
        """Let a worker wait for up to `maximum` tasks."""
        session = self._pollers.get((hello.offer.namespace, hello.worker_id))
        if session is None:
            session = self._begin(hello, is_polled=True)
            self._pollers[_name(session)] = session
        if session.offer != hello.offer:
            session.offer = hello.offer
            self._desk.workers_changed.set()
        session.slots = maximum
        self._desk.touch(session)
        demand = Demand(session, hello.offer, channel, maximum)
        connection = Connection(session, demand, channel)
        self._polls[connection] = None
        self._desk.demands.add(connection.demand)
        return connection

    def close_poll(self, connection: Connection) -> None:
        """Take a poll's room away; what was assigned to it and never left is handed back."""
        self._desk.demands.remove(connection.demand)
        self._polls.pop(connection, None)
        self._yield(connection.session, connection.channel.unsent())
        self._desk.touch(connection.session)

    def expire(self, session: WorkerSession) -> None:
        """End a session that was not heard of for the time of its lease."""
        if session.is_polled and (session.held or self._is_waiting(session)):
            self._desk.touch(session)
            self._desk.deadlines.watch(session, self._desk.clock.monotonic())
            return
        connection = self._streams.get(_name(session))
        if connection is not None and connection.session is session:
            connection.channel.close(WorkerSilent("no message came for the time of the lease"))
            self.detach(connection)
        self._desk.lose_all(session, LostCause.WORKER_LOST)
        self._end(session)

    def release(self, held: Iterable[HeldTask]) -> None:
        """Let go of tasks that another gateway took over."""
        for task in held:
            self._desk.give_up(task)
            if task.session.channel is None and not task.session.held and not task.session.is_polled:
                self._end(task.session)

    def _replace(self, hello: WorkerHello) -> None:
        earlier = self._streams.get((hello.offer.namespace, hello.worker_id))
        if earlier is not None:
            earlier.channel.close(WorkerReplaced("a newer stream of the same worker took over"))
            self.detach(earlier)

    def _resume(self, hello: WorkerHello) -> WorkerSession | None:
        session = self._desk.sessions.get(hello.session_id)
        if session is None or session.is_polled or _name(session) != (hello.offer.namespace, hello.worker_id):
            return None
        return session

    def _begin(self, hello: WorkerHello, *, is_polled: bool) -> WorkerSession:
        desk = self._desk
        wall, now = desk.clock.now(), desk.clock.monotonic()
        session = WorkerSession(
            session_id=f"{desk.gateway_id}/{next(self._numbers)}",
            worker_id=hello.worker_id,
            offer=hello.offer,
            slots=hello.slots,
            labels=hello.labels,
            connected_at=wall,
            last_seen_at=wall,
            expires_at=now + desk.settings.lease_ttl,
            is_polled=is_polled,
        )
        desk.sessions[session.session_id] = session
        desk.deadlines.watch(session, now)
        desk.workers_changed.set()
        return session

    def _end(self, session: WorkerSession) -> None:
        session.ended = True
        self._desk.sessions.pop(session.session_id, None)
        if self._pollers.get(_name(session)) is session:
            del self._pollers[_name(session)]
        self._desk.workers_changed.set()

    def _is_waiting(self, session: WorkerSession) -> bool:
        return any(poll.session is session for poll in self._polls)

    def _yield(self, session: WorkerSession, tokens: Iterable[bytes]) -> None:
        for token in tokens:
            if token in session.held:
                self._desk.lose(session.held[token], LostCause.YIELDED)

    def _return_unnamed(self, session: WorkerSession, hello: WorkerHello) -> None:
        """Hand back what was sent to the worker and never reached it."""
        named = frozenset(hello.held_tokens)
        self._yield(session, [token for token in session.held if token not in named])

    def _rebind(self, session: WorkerSession, hello: WorkerHello) -> None:
        """Bring in what the worker holds from another session of its own."""
        for token in hello.held_tokens:
            claims = None if token in session.held else self._open(token, hello)
            held = self._desk.find_attempt(claims.identity) if claims is not None else None
            if held is not None:
                del held.session.held[token]
                held.session = session
                session.held[token] = held

    def _take_over(
        self, session: WorkerSession, hello: WorkerHello, brought: dict[bytes, TaskClaims]
    ) -> None:
        """Hold what came from other gateways, and tell its owner and them at once."""
        former = hello.session_id.partition("/")[0]
        moved: dict[str, list[bytes]] = {}
        for token, claims in brought.items():
            if token in session.held:
                continue
            self._desk.hold(token, claims, session, start_in=0.0)
            for gateway_id in {claims.gateway_id, former} - {self._desk.gateway_id, ""}:
                moved.setdefault(gateway_id, []).append(token)
        for gateway_id, tokens in moved.items():
            self._desk.errands.post(gateway_id, TasksMoved(tuple(tokens)))

    def _open(self, token: bytes, hello: WorkerHello) -> TaskClaims | None:
        try:
            claims = self._desk.tokens.open(token)
        except InvalidTaskToken:
            return None
        is_own = (claims.key.namespace, claims.worker_id) == (hello.offer.namespace, hello.worker_id)
        return claims if is_own else None


def _name(session: WorkerSession) -> tuple[str, str]:
    return session.namespace, session.worker_id
