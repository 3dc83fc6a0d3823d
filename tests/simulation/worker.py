"""A worker as the protocol asks it to be, with handlers that do anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.beating import BeatAnswer
from flowmesh_core.application.worker_gateway.outcome import (
    Completed,
    Failed,
    Outcome,
    Stopped,
    TaskReport,
    Yielded,
)
from flowmesh_core.application.worker_gateway.session import Assignment, Offer, ReportAnswer
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import SECOND
from flowmesh_core.domain.transition import Verdict
from tests.simulation.faults import Dice, Fault
from tests.simulation.judge import Attempt, Judge
from tests.simulation.network import Broken, Downward, Stream, Welcome

_BEAT = 1.5
_SILENCE = 5.0
"""Without a word of its gateway for so many seconds, a worker connects anew."""


class Handlers:
    """What the tasks of a worker come to."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    def duration(self) -> float:
        """Return how long a handler runs, in seconds; some never return."""
        draw = self._dice.rng.random()
        if draw < 0.05 and self._dice.on:
            return 1_000.0
        return self._dice.rng.expovariate(0.7 if draw < 0.3 else 10.0)

    def outcome(self) -> Outcome:
        """Return how a handler ends."""
        rng: Random = self._dice.rng
        draw = rng.random()
        if draw < 0.1:
            return Failed(Failure("Boom", "it broke"))
        if draw < 0.13:
            return Failed(Failure("Bad", "it never works"), non_retryable=True)
        if draw < 0.17 and self._dice.on:
            return Yielded()
        return Completed(Payload(json.dumps({"value": rng.randrange(4)}).encode()))


class StreamWorker:
    """Holds tasks over any number of streams."""

    def __init__(
        self,
        worker_id: str,
        offer: Offer,
        dice: Dice,
        judge: Judge,
        connect: Callable[[], Stream],
        slots: int,
    ) -> None:
        """Get streams from `connect`, each to a gateway of its choice."""
        self.stream: Stream | None = None
        self._hello = WorkerHello(worker_id, offer, slots)
        self._dice = dice
        self._judge = judge
        self._connect = connect
        self._handlers = Handlers(dice)
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._owed: dict[bytes, TaskReport] = {}
        self._attempts: dict[bytes, Attempt] = {}
        self._old: list[TaskReport] = []

    async def run(self) -> None:
        """Work for as long as the process lives."""
        while True:
            self.stream = self._connect()
            try:
                await self._serve(self.stream)
            except (Broken, TimeoutError):
                self.stream.cut()
            await asyncio.sleep(self._dice.rng.random() * 0.5)

    async def _serve(self, stream: Stream) -> None:
        stream.up.send(replace(self._hello, held_tokens=(*self._running, *self._owed)))
        async with asyncio.timeout(_SILENCE):
            welcome = await stream.down.receive()
        assert isinstance(welcome, Welcome)
        self._hello = replace(self._hello, session_id=welcome.session_id)
        self._abandon(welcome.lost)
        if self._owed:
            stream.up.send(list(self._owed.values()))
        self._grant(stream, self._hello.slots - len(self._running) - len(self._owed))
        beating = asyncio.ensure_future(self._beat(stream))
        try:
            while True:
                async with asyncio.timeout(_SILENCE):
                    self._take(stream, await stream.down.receive())
        finally:
            beating.cancel()

    def _take(self, stream: Stream, frame: Downward) -> None:
        if isinstance(frame, BeatAnswer):
            self._grant(stream, self._abandon(frame.lost))
            for token in frame.cancelled:
                self._stop(token)
            return
        for item in frame:
            if isinstance(item, Assignment):
                self._begin(item)
            elif isinstance(item, ReportAnswer):
                self._settle(stream, item)

    def _begin(self, assignment: Assignment) -> None:
        token, task = assignment.token, assignment.task
        self._attempts[token] = (task.key, task.node_id, task.attempt)
        limit = (task.start_to_close + SECOND) / SECOND
        self._running[token] = asyncio.ensure_future(
            self._handle(token, min(limit, self._handlers.duration()))
        )

    async def _handle(self, token: bytes, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            outcome: Outcome = self._handlers.outcome()
        except asyncio.CancelledError:
            if token not in self._running:
                return  # abandoned
            outcome = Stopped()
        del self._running[token]
        self._report(TaskReport(token, outcome, None))

    def _report(self, report: TaskReport) -> None:
        self._owed[report.token] = report
        self._judge.reported(self._attempts[report.token], type(report.outcome).__name__)
        reports = [report]
        if self._old and self._dice.strikes(Fault.ZOMBIE_REPORT):
            reports.append(self._dice.rng.choice(self._old))
        if self.stream is not None:
            self.stream.up.send(reports)

    def _settle(self, stream: Stream, answer: ReportAnswer) -> None:
        report = self._owed.pop(answer.token, None)
        if report is None:
            return
        self._old.append(report)
        attempt = self._attempts[answer.token]
        self._judge.answered(attempt, type(report.outcome).__name__, answer.verdict)
        if answer.verdict is Verdict.UNKNOWN:
            self._judge.object_to(f"{attempt} was reported, and its owner does not know it")
        self._grant(stream, 1)

    def _stop(self, token: bytes) -> None:
        if token in self._running and self._dice.rng.random() < 0.7:
            self._running[token].cancel()

    def _abandon(self, tokens: tuple[bytes, ...] | list[bytes]) -> int:
        """Give up tasks that are somebody else's now; return how many slots that frees."""
        freed = 0
        for token in tokens:
            handler = self._running.pop(token, None)
            if handler is not None:
                handler.cancel()
                freed += 1
        return freed

    def _grant(self, stream: Stream, more: int) -> None:
        if more > 0:
            stream.up.send(more)

    async def _beat(self, stream: Stream) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            held = [*self._running, *self._owed]
            stream.up.send((held, [each for each in self._running if self._dice.rng.random() < 0.9]))
