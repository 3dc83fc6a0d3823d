"""What becomes of tasks whose time is over."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from flowmesh_core.application.worker_gateway.decisions import Purpose
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.session import HeldTask
from flowmesh_core.domain.commands import FailTask, StartTask
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.states import FailureSource, LostCause

START_TO_CLOSE = "StartToCloseTimeout"
HEARTBEAT = "HeartbeatTimeout"


class Judging:
    """Rules on held tasks by their deadlines. The owner has the last word."""

    def __init__(self, desk: Desk) -> None:
        """Work on the gateway's state."""
        self._desk = desk

    def judge(self, due: Iterable[HeldTask]) -> list[HeldTask]:
        """Rule on tasks that are due; return those that their workers should stop."""
        now = self._desk.clock.monotonic()
        return [held for held in due if self._ends(held, now)]

    def _ends(self, held: HeldTask, now: float) -> bool:
        if held.close_at <= now:
            self._time_out(held, START_TO_CLOSE, "the attempt ran for longer than start_to_close")
        elif held.heartbeat_at <= now:
            self._time_out(held, HEARTBEAT, "the handler was silent for longer than heartbeat")
        elif held.lease_at <= now:
            self._desk.lose(held, LostCause.WORKER_LOST)
        else:
            self._report_start(held)
            self._desk.deadlines.watch(held, now)
        return held.ended

    def _time_out(self, held: HeldTask, error_type: str, message: str) -> None:
        claims = held.claims
        self._desk.telemetry.count("flowmesh.tasks.timed_out", 1, {"error.type": error_type})
        failure = Failure(error_type, message, FailureSource.TIMEOUT)
        command = FailTask(*claims.identity, failure, held.session.worker_id, held.assigned_at)
        self._desk.rule(held, command)

    def _report_start(self, held: HeldTask) -> None:
        claims = held.claims
        held.start_due = inf
        command = StartTask(*claims.identity, held.session.worker_id, self._desk.gateway_id, held.assigned_at)
        undecided = self._desk.decisions.ask(command, claims, Purpose.START, held.token, held, held.span)
        held.start_correlation = undecided.envelope.correlation_id
