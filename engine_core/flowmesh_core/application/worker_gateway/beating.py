"""Signs of life, and what workers learn from the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.session import HeldTask, WorkerSession
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import micros
from flowmesh_core.ports.mailbox import HeartbeatAnswer, HeartbeatForward

_BEATS_WITHOUT = 2
"""A task that so many beats in a row do not name is one that its worker knows nothing of."""


class BeatAnswer(NamedTuple):
    """What a worker has to stop: tasks it does not hold any more, and those to be cancelled."""

    lost: list[bytes]
    cancelled: list[bytes]


class Beating:
    """Keeps sessions and tasks alive."""

    def __init__(self, desk: Desk) -> None:
        """Work on the gateway's state."""
        self._desk = desk

    def beat(self, session: WorkerSession, named: Sequence[bytes], heartbeats: Iterable[bytes]) -> BeatAnswer:
        """Take a stream's beat, which names every task that the worker holds."""
        held = session.held
        for token in heartbeats:
            if token in held:
                self._desk.heartbeat(held[token])
        answer = BeatAnswer([], [])
        for token in named:
            self._answer(held.get(token), token, answer)
        self._miss(session, frozenset(named))
        return answer

    def heartbeat(self, token: bytes, answer: BeatAnswer) -> None:
        """Take a unary heartbeat of a task and add what became of the task to `answer`."""
        held = self._desk.find(token)
        if held is not None:
            self._desk.heartbeat(held)
        self._answer(held, token, answer)

    def forwarded(self, message: HeartbeatForward) -> HeartbeatAnswer:
        """Take a heartbeat that reached another gateway."""
        answer = BeatAnswer([], [])
        self.heartbeat(message.task_token, answer)
        return HeartbeatAnswer(message.correlation_id, held=not answer.lost, cancelled=bool(answer.cancelled))

    def _answer(self, held: HeldTask | None, token: bytes, answer: BeatAnswer) -> None:
        if held is None:
            if self._desk.decisions.report_on(token) is None:
                answer.lost.append(token)
            return
        held.missed_beats = 0
        if held.cancelled:
            answer.cancelled.append(token)

    def _miss(self, session: WorkerSession, named: frozenset[bytes]) -> None:
        """Lose tasks that the worker keeps not naming, unless they may still be on their way.

        That counts as lost with the worker, because one that always forgets would never come to an end.
        """
        absent = [held for token, held in session.held.items() if token not in named]
        if not absent:
            return
        unsent = frozenset(session.channel.unsent()) if session.channel is not None else frozenset()
        before = self._desk.clock.now() - micros(self._desk.settings.beat_interval)
        for held in absent:
            if held.assigned_at > before or held.token in unsent:
                continue
            held.missed_beats += 1
            if held.missed_beats >= _BEATS_WITHOUT:
                self._desk.lose(held, LostCause.WORKER_LOST)
