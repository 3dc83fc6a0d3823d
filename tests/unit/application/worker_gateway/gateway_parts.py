"""The deciding parts of a gateway on a virtual clock, and channels that remember."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.application.worker_gateway.assigning import Assigning
from flowmesh_core.application.worker_gateway.attachment import Attachments, Connection, WorkerHello
from flowmesh_core.application.worker_gateway.beating import Beating
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.judging import Judging
from flowmesh_core.application.worker_gateway.reporting import Reporting
from flowmesh_core.application.worker_gateway.session import HeldTask, Offer, WorkerSession
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.outbox import QueuedTask
from flowmesh_core.ports.task_queue import QueueName, TakenTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh_core.application.worker_gateway.decisions import Undecided
    from flowmesh_core.application.worker_gateway.session import Assignment, ReportAnswer
    from flowmesh_core.domain.commands import Command
    from flowmesh_core.domain.errors import FlowmeshError

CLUSTER = Cluster("test", 4, bytes(range(32)))


def queued(node_id: str = "a", handler: str = "work", **fields: Any) -> QueuedTask:
    given: dict[str, Any] = {
        "key": ExecutionKey("default", "run"),
        "node_id": node_id,
        "attempt": 1,
        "handler": handler,
        "input": NULL,
        "start_to_close": Micros(60 * SECOND),
        "heartbeat": None,
        "workflow_name": "flow",
        "scheduled_at": Micros(0),
    }
    return QueuedTask(**(given | fields))


def taken(task: QueuedTask, entry_id: str = "1-0") -> TakenTask:
    return TakenTask(QueueEntry(task.key.namespace, task.handler, entry_id), task)


class RecordedChannel:
    """A `Channel` whose tasks leave when the test says so."""

    def __init__(self) -> None:
        self.is_congested = False
        self.leaves_at_once = True
        self.assigned: list[Assignment] = []
        self.waiting: list[Assignment] = []
        self.answers: list[ReportAnswer] = []
        self.cancelled: list[bytes] = []
        self.went_away: float | None = None
        self.closed_with: list[FlowmeshError | None] = []

    def assign(self, assignments: Sequence[Assignment]) -> None:
        self.assigned += assignments
        if not self.leaves_at_once:
            self.waiting += assignments

    def answer(self, answers: Sequence[ReportAnswer]) -> None:
        self.answers += answers

    def cancel(self, tokens: Sequence[bytes]) -> None:
        self.cancelled += tokens

    def go_away(self, reconnect_within: float) -> None:
        self.went_away = reconnect_within

    def close(self, error: FlowmeshError | None) -> None:
        self.closed_with.append(error)

    def unsent(self) -> Sequence[bytes]:
        return [assignment.token for assignment in self.waiting]


class Parts:
    """A gateway without its loops: what they would do, the test does."""

    def __init__(self, gateway_id: str = "gateway-1", **settings: Any) -> None:
        self.clock = VirtualClock()
        self.telemetry = RecordedTelemetry()
        self.desk = Desk(gateway_id, CLUSTER, GatewaySettings(**settings), self.clock, self.telemetry)
        self.attachments = Attachments(self.desk)
        self.assigning = Assigning(self.desk)
        self.reporting = Reporting(self.desk)
        self.beating = Beating(self.desk)
        self.judging = Judging(self.desk)

    def connect(
        self,
        worker_id: str = "w1",
        *handlers: str,
        namespace: str = "default",
        session_id: str = "",
        held: Sequence[bytes] = (),
        credits: int = 0,  # noqa: A002
    ) -> tuple[Connection, RecordedChannel]:
        offer = Offer(namespace, frozenset(handlers or ("work",)))
        hello = WorkerHello(worker_id, offer, 10, session_id=session_id, held_tokens=tuple(held))
        channel = RecordedChannel()
        brought = self.attachments.elsewhere(hello)
        connection = self.attachments.attach(hello, channel, brought)
        if credits:
            self.desk.demands.grant(connection.demand, credits)
        return connection, channel

    def hand_out(self, *tasks: TakenTask) -> None:
        """Let tasks arrive and dispatch until nobody has room or nothing is left."""
        left = list(tasks)
        self.desk.demands.arrived(task_queue(task) for task in tasks)
        while take := self.desk.demands.next_take(500):
            found = [task for task in left if task_queue(task) in take.queues][: take.limit]
            left = [task for task in left if task not in found]
            self.assigning.assign(take, found)

    def pass_time(self, seconds: float) -> None:
        """Let time pass and judge what is due."""
        self.clock.advance(seconds)
        due = self.desk.deadlines.pop_due(self.clock.monotonic())
        self.reporting.stop(self.judging.judge([each for each in due if isinstance(each, HeldTask)]))
        for each in due:
            if isinstance(each, WorkerSession):
                self.attachments.expire(each)

    def sent(self) -> Sequence[Undecided]:
        """Take what is to be sent to owners."""
        batch = self.desk.decisions.next_batch(10_000)
        self.desk.decisions.sent(batch, self.clock.monotonic())
        return batch

    def commands(self) -> list[Command]:
        """Take the commands that are to be sent to owners."""
        return [undecided.envelope.command for undecided in self.sent()]


def task_queue(task: TakenTask) -> QueueName:
    return QueueName(task.entry.namespace, task.entry.handler)
