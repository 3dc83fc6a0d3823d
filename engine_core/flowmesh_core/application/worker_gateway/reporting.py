"""Reports of workers, and what owners say of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from flowmesh_core.application.worker_gateway.decisions import Purpose, Undecided
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.outcome import TaskReport, command_for
from flowmesh_core.application.worker_gateway.session import HeldTask, ReportAnswer, WorkerSession
from flowmesh_core.application.worker_gateway.task_span import end_decided
from flowmesh_core.domain.errors import InvalidTaskToken
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.mailbox import TasksMoved
from flowmesh_core.ports.outbox import CancelNotice, Reply


class Reporting:
    """Turns reports into commands, and replies into answers."""

    def __init__(self, desk: Desk) -> None:
        """Work on the gateway's state."""
        self._desk = desk

    def report(self, session: WorkerSession, reports: Iterable[TaskReport]) -> list[ReportAnswer]:
        """Pass a stream's reports on; return an answer for those with a wrong token.

        The others are answered on the stream of the session when their owner
        has decided. A report about a task that is not held here is passed on
        all the same: its owner knows better.
        """
        refused: list[ReportAnswer] = []
        for report in reports:
            try:
                undecided = self._pass_on(report, session)
            except InvalidTaskToken as error:
                refused.append(ReportAnswer(report.token, None, error))
                continue
            if session not in undecided.sessions:
                undecided.sessions.append(session)
        return refused

    def report_alone(self, report: TaskReport) -> asyncio.Future[Verdict]:
        """Pass a unary call's report on; the future has the owner's verdict.

        Raises:
            InvalidTaskToken: The token was not made by this cluster.
        """
        undecided = self._pass_on(report, None)
        caller: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        undecided.callers.append(caller)
        return caller

    def resolve(self, replies: Iterable[Reply]) -> None:
        """Act on what owners decided."""
        answers: dict[WorkerSession, list[ReportAnswer]] = {}
        stopped: list[HeldTask] = []
        for reply in replies:
            undecided = self._desk.decisions.take(reply.correlation_id)
            if undecided is None:
                continue
            if undecided.purpose is Purpose.REPORT:
                self._settle_report(undecided, reply.verdict, answers)
            elif undecided.purpose is Purpose.START:
                stopped += self._settle_start(undecided, reply.verdict)
                continue
            if undecided.span is not None:
                end_decided(undecided.span, undecided.envelope.command, reply.verdict)
        for session, found in answers.items():
            if session.channel is not None:
                session.channel.answer(found)
        self.stop(stopped)

    def cancel(self, notices: Iterable[CancelNotice]) -> None:
        """Stop tasks because their execution is cancelled; they stay held until their workers report."""
        named = [self._desk.find_attempt((n.key, n.node_id, n.attempt)) for n in notices]
        found = [held for held in named if held is not None and not held.reported]
        for held in found:
            held.cancelled = True
        self.stop(found)

    def stop(self, tasks: Sequence[HeldTask]) -> None:
        """Tell the workers of tasks to stop them."""
        tokens: dict[WorkerSession, list[bytes]] = {}
        for held in tasks:
            tokens.setdefault(held.session, []).append(held.token)
        for session, found in tokens.items():
            if session.channel is not None:
                session.channel.cancel(found)

    def _pass_on(self, report: TaskReport, session: WorkerSession | None) -> Undecided:
        desk = self._desk
        known = desk.decisions.report_on(report.token)
        if known is not None:
            return known
        held = session.held.get(report.token) if session is not None else None
        claims = held.claims if held is not None else desk.tokens.open(report.token)
        held = held or desk.find_attempt(claims.identity)
        started_at = report.started_at
        if held is not None:
            held.reported = True
            desk.forget_start(held)
            started_at = started_at or held.assigned_at
        command = command_for(report.outcome, claims, claims.worker_id, started_at)
        span = held.span if held is not None else None
        return desk.decisions.ask(command, claims, Purpose.REPORT, report.token, held, span)

    def _settle_report(
        self, undecided: Undecided, verdict: Verdict, answers: dict[WorkerSession, list[ReportAnswer]]
    ) -> None:
        if undecided.held is not None:
            self._desk.drop(undecided.held)
        else:
            self._tell_holder(undecided.token)
        undecided.settle(verdict)
        for session in undecided.sessions:
            answers.setdefault(session, []).append(ReportAnswer(undecided.token, verdict))

    def _tell_holder(self, token: bytes) -> None:
        """Let the gateway that handed a task out forget it, for the report came here."""
        gateway_id = self._desk.tokens.open(token).gateway_id
        if gateway_id != self._desk.gateway_id:
            self._desk.errands.post(gateway_id, TasksMoved((token,)))

    def _settle_start(self, undecided: Undecided, verdict: Verdict) -> list[HeldTask]:
        """Return the task when nobody should run it any more."""
        held = undecided.held
        if held is None or held.ended:
            return []
        held.start_correlation = ""
        if verdict is Verdict.ACCEPTED or held.reported:
            return []
        self._desk.give_up(held)
        self._desk.errands.remove(held.claims.queue_entry)
        return [held]
