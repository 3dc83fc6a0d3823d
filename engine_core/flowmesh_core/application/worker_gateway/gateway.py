"""The worker gateway of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from math import inf

from flowmesh_core.application.waiting import wait_for
from flowmesh_core.application.worker_gateway.assigning import Assigning
from flowmesh_core.application.worker_gateway.attachment import Attachments, Connection, WorkerHello
from flowmesh_core.application.worker_gateway.beating import BeatAnswer, Beating
from flowmesh_core.application.worker_gateway.courier import Courier
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.dispatcher import Dispatcher
from flowmesh_core.application.worker_gateway.inventory import Inventory
from flowmesh_core.application.worker_gateway.judging import Judging
from flowmesh_core.application.worker_gateway.outcome import TaskReport
from flowmesh_core.application.worker_gateway.presence import Presence
from flowmesh_core.application.worker_gateway.reporting import Reporting
from flowmesh_core.application.worker_gateway.session import Channel, HeldTask, WorkerSession
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.application.worker_gateway.unary_calls import UnaryCalls
from flowmesh_core.domain.errors import DecisionPending, StoreUnavailable
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.command_log import CommandLog
from flowmesh_core.ports.mailbox import Mailbox
from flowmesh_core.ports.task_queue import TaskQueue
from flowmesh_core.ports.telemetry import Telemetry
from flowmesh_core.ports.worker_registry import WorkerRegistry

_GRAIN = 0.02
"""Deadlines this close together are judged at once."""


class Gateway:
    """Hands tasks to connected workers and their reports to owners.

    Attributes:
        settings: What it allows.
        calls: The unary calls.
    """

    def __init__(
        self,
        gateway_id: str,
        cluster: Cluster,
        *,
        queue: TaskQueue,
        commands: CommandLog,
        mailbox: Mailbox,
        registry: WorkerRegistry,
        clock: Clock,
        telemetry: Telemetry,
        settings: GatewaySettings,
    ) -> None:
        """Work under the id of this process's member."""
        desk = Desk(gateway_id, cluster, settings, clock, telemetry)
        self.settings = settings
        self._desk = desk
        self._queue = queue
        self._attachments = Attachments(desk)
        self._reporting = Reporting(desk)
        self._beating = Beating(desk)
        self._judging = Judging(desk)
        assigning = Assigning(desk)
        self._dispatcher = Dispatcher(desk, assigning, queue)
        self._inventory = Inventory(desk, assigning, queue)
        self._presence = Presence(desk, registry)
        self.calls = UnaryCalls(desk, self._attachments, self._reporting, self._beating, mailbox)
        self._courier = Courier(
            desk,
            self._reporting,
            self._beating,
            self._attachments,
            commands=commands,
            queue=queue,
            mailbox=mailbox,
            on_answer=self.calls.answered,
        )

    async def run(self) -> None:
        """Serve until cancelled; then every stream is closed, to go on elsewhere."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._courier.run(), name="gateway-courier")
                group.create_task(self._dispatcher.run(), name="gateway-dispatcher")
                group.create_task(self._inventory.run(), name="gateway-inventory")
                group.create_task(self._presence.run(), name="gateway-presence")
                group.create_task(self._judge(), name="gateway-judge")
        finally:
            for connection in self._attachments.connections:
                gone = StoreUnavailable("this gateway ended; connect again", retry_after=1.0)
                connection.channel.close(gone)
            self._desk.end_spans()

    async def stop(self) -> None:
        """Hand out nothing more, ask workers to go elsewhere, and wait until they did.

        Waits for `shutdown_grace` at the most, also for the answers to reports.
        """
        for connection in self._attachments.connections:
            self._desk.demands.remove(connection.demand)
            connection.channel.go_away(self.settings.go_away_within)
        until = self._desk.clock.monotonic() + self.settings.shutdown_grace
        while self._is_busy() and self._desk.clock.monotonic() < until:
            await self._desk.clock.sleep(_GRAIN)
        for connection in self._attachments.connections:
            connection.channel.close(None)

    async def connect(self, hello: WorkerHello, channel: Channel) -> Connection:
        """Open a stream, taking over from other gateways what the worker holds.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        brought = self._attachments.elsewhere(hello)
        if brought:
            entries = [claims.queue_entry for claims in brought.values()]
            await self._queue.transfer(entries, self._desk.gateway_id)
        return self._attachments.attach(hello, channel, brought)

    def disconnect(self, connection: Connection) -> None:
        """Note that a stream ended."""
        self._attachments.detach(connection)

    def grant(self, connection: Connection, more: int) -> None:
        """Take a worker's credits."""
        self._desk.touch(connection.session)
        self._desk.demands.grant(connection.demand, more)

    def relieve(self) -> None:
        """Note that a channel is not congested any more."""
        self._desk.demands.wake.set()

    def drain(self, connection: Connection) -> None:
        """Assign nothing more to a worker, which from now on offers nothing."""
        session = connection.session
        self._desk.touch(session)
        self._desk.demands.remove(connection.demand)
        session.offer = session.offer._replace(handlers=frozenset())
        self._desk.workers_changed.set()

    async def report(self, connection: Connection, reports: Iterable[TaskReport]) -> None:
        """Take reports; they are answered on the stream. Waits while too many are undecided.

        Raises:
            DecisionPending: There was no room for them in time, and nothing was taken.
        """
        self._desk.touch(connection.session)
        # Beats are not read meanwhile, so it ends well within the lease.
        patience = min(self.settings.decision_wait, self.settings.lease_ttl / 2)
        if not await self._desk.decisions.room(self._desk.clock, patience):
            message = "too many reports wait for their decision; connect again and repeat yours"
            raise DecisionPending(message, retry_after=1.0)
        refused = self._reporting.report(connection.session, reports)
        if refused:
            connection.channel.answer(refused)

    def beat(self, connection: Connection, named: Sequence[bytes], heartbeats: Iterable[bytes]) -> BeatAnswer:
        """Take a beat."""
        self._desk.touch(connection.session)
        return self._beating.beat(connection.session, named, heartbeats)

    def _is_busy(self) -> bool:
        return bool(self._attachments.connections) or self._desk.decisions.undecided_reports > 0

    async def _judge(self) -> None:
        deadlines, clock = self._desk.deadlines, self._desk.clock
        while True:
            seconds = deadlines.earliest() - clock.monotonic()
            if seconds == inf:
                await deadlines.sooner.wait()
            elif seconds > 0:
                await wait_for(deadlines.sooner, clock, max(seconds, _GRAIN))
            self._judge_due(deadlines.pop_due(clock.monotonic()))

    def _judge_due(self, due: Sequence[HeldTask | WorkerSession]) -> None:
        tasks = [thing for thing in due if isinstance(thing, HeldTask)]
        self._reporting.stop(self._judging.judge(tasks))
        for thing in due:
            if isinstance(thing, WorkerSession):
                self._attachments.expire(thing)
