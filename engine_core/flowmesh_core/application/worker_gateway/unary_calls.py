"""The same for workers without a stream: calls that wait for their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count

from flowmesh_core.application.waiting import wait_for
from flowmesh_core.application.worker_gateway.attachment import Attachments, WorkerHello
from flowmesh_core.application.worker_gateway.beating import BeatAnswer, Beating
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.outcome import TaskReport
from flowmesh_core.application.worker_gateway.poll_channel import PollChannel
from flowmesh_core.application.worker_gateway.reporting import Reporting
from flowmesh_core.application.worker_gateway.session import Assignment
from flowmesh_core.domain.errors import (
    DecisionPending,
    ExecutionClosed,
    InvalidTaskToken,
    TaskSuperseded,
)
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.mailbox import HeartbeatAnswer, HeartbeatForward, Mailbox

_SHORTEST_WAIT = 0.1
"""Even a poll that does not want to wait gives the taker time for one look."""


class UnaryCalls:
    """PollTasks, CompleteTask, FailTask and HeartbeatTasks."""

    def __init__(
        self, desk: Desk, attachments: Attachments, reporting: Reporting, beating: Beating, mailbox: Mailbox
    ) -> None:
        """Reach other gateways through `mailbox`."""
        self._desk = desk
        self._attachments = attachments
        self._reporting = reporting
        self._beating = beating
        self._mailbox = mailbox
        self._numbers = count(1)
        self._forwards: dict[str, _Forward] = {}

    async def poll(self, hello: WorkerHello, maximum: int, wait: float) -> Sequence[Assignment]:
        """Return up to `maximum` tasks as soon as there is one, or none after `wait` seconds."""
        channel = PollChannel()
        connection = self._attachments.open_poll(hello, channel, maximum)
        try:
            await wait_for(channel.arrived, self._desk.clock, max(wait, _SHORTEST_WAIT))
            return channel.take()
        finally:
            self._attachments.close_poll(connection)

    async def report(self, report: TaskReport) -> None:
        """Return when a report is committed.

        Raises:
            InvalidTaskToken: The token was not made by this cluster.
            TaskSuperseded: The attempt is not the current one, or ended otherwise.
            ExecutionClosed: The execution had ended, or is gone.
            DecisionPending: No owner decided in time.
        """
        caller = self._reporting.report_alone(report)
        decided = asyncio.Event()
        caller.add_done_callback(lambda _: decided.set())
        try:
            if not await wait_for(decided, self._desk.clock, self._desk.settings.decision_wait):
                raise DecisionPending("no orchestrator decided in time; repeat the call", retry_after=1.0)
            _raise_for(caller.result())
        finally:
            caller.cancel()

    async def heartbeat(self, tokens: Sequence[bytes]) -> BeatAnswer:
        """Keep tasks alive, wherever they are held, and return what became of them.

        A task whose gateway does not answer in time counts as held.
        """
        answer = BeatAnswer([], [])
        away: dict[str, list[bytes]] = {}
        for token in tokens:
            holder = self._holder(token)
            if holder == self._desk.gateway_id:
                self._beating.heartbeat(token, answer)
            else:
                away.setdefault(holder, []).append(token)
        if away:
            await self._forward(away, answer)
        return answer

    def answered(self, message: HeartbeatAnswer) -> None:
        """Take another gateway's answer."""
        forward = self._forwards.pop(message.correlation_id, None)
        if forward is not None:
            forward.settle(message)

    def _holder(self, token: bytes) -> str:
        """Return the gateway that may hold a task; a token that is not valid is held nowhere else."""
        try:
            claims = self._desk.tokens.open(token)
        except InvalidTaskToken:
            return self._desk.gateway_id
        is_here = self._desk.find_attempt(claims.identity) is not None
        return self._desk.gateway_id if is_here else claims.gateway_id

    async def _forward(self, away: Mapping[str, Sequence[bytes]], answer: BeatAnswer) -> None:
        forward = _Forward(answer)
        try:
            for gateway_id, tokens in away.items():
                await self._mailbox.post(gateway_id, [self._message(token, forward) for token in tokens])
            await wait_for(forward.answered, self._desk.clock, self._desk.settings.forward_wait)
        finally:
            for correlation_id in forward.tokens:
                self._forwards.pop(correlation_id, None)

    def _message(self, token: bytes, forward: _Forward) -> HeartbeatForward:
        correlation_id = f"beat-{next(self._numbers)}"
        forward.tokens[correlation_id] = token
        self._forwards[correlation_id] = forward
        return HeartbeatForward(token, self._desk.gateway_id, correlation_id)


class _Forward:
    """One call's heartbeats at other gateways."""

    def __init__(self, answer: BeatAnswer) -> None:
        self.answered = asyncio.Event()
        self.tokens: dict[str, bytes] = {}
        self._answer = answer

    def settle(self, message: HeartbeatAnswer) -> None:
        token = self.tokens.pop(message.correlation_id)
        if not message.held:
            self._answer.lost.append(token)
        elif message.cancelled:
            self._answer.cancelled.append(token)
        if not self.tokens:
            self.answered.set()


def _raise_for(verdict: Verdict) -> None:
    match verdict:
        case Verdict.ACCEPTED:
            return
        case Verdict.SUPERSEDED:
            raise TaskSuperseded("the attempt is not the current one of its node, or ended otherwise")
        case Verdict.CLOSED:
            raise ExecutionClosed("the execution had ended")
        case Verdict.UNKNOWN:
            raise ExecutionClosed("the execution is gone")
