"""A worker without a stream: it polls, reports and beats by calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.outcome import TaskReport
from flowmesh_core.application.worker_gateway.session import Assignment, Offer
from flowmesh_core.domain.errors import ExecutionClosed, FlowmeshError, TaskSuperseded
from flowmesh_core.domain.time import SECOND
from flowmesh_core.domain.transition import Verdict
from tests.simulation.faults import Dice
from tests.simulation.judge import Judge
from tests.simulation.network import Broken
from tests.simulation.worker import Handlers

_POLL = 2.0
_BEAT = 1.5

CallGateway = Callable[[Callable[[Gateway], Awaitable[Any]]], Awaitable[Any]]


class PollWorker:
    """Runs one task after the other."""

    def __init__(self, worker_id: str, offer: Offer, dice: Dice, judge: Judge, call: CallGateway) -> None:
        """Reach any gateway by `call`."""
        self._hello = WorkerHello(worker_id, offer, 1)
        self._judge = judge
        self._dice = dice
        self._call = call
        self._handlers = Handlers(dice)

    async def run(self) -> None:
        """Work for as long as the process lives."""
        while True:
            try:
                found = await self._call(lambda gateway: gateway.calls.poll(self._hello, 1, _POLL))
            except (Broken, FlowmeshError):
                await asyncio.sleep(self._dice.rng.random())
                continue
            for assignment in found:
                await self._work(assignment)

    async def _work(self, assignment: Assignment) -> None:
        task = assignment.task
        limit = (task.start_to_close + SECOND) / SECOND
        if not await self._beat_through(assignment.token, min(limit, self._handlers.duration())):
            return
        outcome = self._handlers.outcome()
        attempt, kind = (task.key, task.node_id, task.attempt), type(outcome).__name__
        self._judge.reported(attempt, kind)
        verdict = await self._report(TaskReport(assignment.token, outcome, None))
        self._judge.answered(attempt, kind, verdict)

    async def _beat_through(self, token: bytes, seconds: float) -> bool:
        """Run the handler, beating meanwhile; say whether the task is still this worker's."""
        while seconds > 0:
            await asyncio.sleep(min(seconds, _BEAT))
            seconds -= _BEAT
            try:
                answer = await self._call(lambda gateway: gateway.calls.heartbeat([token]))
            except (Broken, FlowmeshError):
                continue
            if answer.lost or answer.cancelled:
                return False
        return True

    async def _report(self, report: TaskReport) -> Verdict:
        while True:
            try:
                await self._call(lambda gateway: gateway.calls.report(report))
            except (TaskSuperseded, ExecutionClosed):
                return Verdict.SUPERSEDED
            except (Broken, FlowmeshError):
                await asyncio.sleep(0.5)
            else:
                return Verdict.ACCEPTED
