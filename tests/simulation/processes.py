"""The processes of a simulated cluster: the real code, wired as the composition root does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf

from flowmesh_core.adapters.memory.cluster_store import MemoryClusterStore
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.id_source import SequentialIds
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.worker_registry import MemoryWorkerRegistry
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.application.cancel_execution import CancelExecution, CancelPorts
from flowmesh_core.application.cluster_clock import ClusterClock
from flowmesh_core.application.execution_reader import ExecutionReader
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.member_session import MemberLease, MemberSession, MemberSettings
from flowmesh_core.application.partition_owner import OwnerPorts, OwnerSettings, PartitionOwner
from flowmesh_core.application.partition_owner.lane import Lane
from flowmesh_core.application.partition_owner.own_partitions import OwnPartitions
from flowmesh_core.application.reap_executions import StartOrphans
from flowmesh_core.application.reap_lost_tasks import ReapLostTasks
from flowmesh_core.application.replies import ReplyDesk
from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.domain.commands import StartExecution
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.membership import Role
from flowmesh_services.reaper.loop import Reaper, Sweep
from flowmesh_services.worker_control.gateway_host import GatewayHost
from tests.simulation.clock import SimulatedClock
from tests.simulation.faults import Dice, Fault
from tests.simulation.judge import Judge
from tests.simulation.line import Line, Weather, behind
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.network import Stream, Welcome
from tests.simulation.stores import (
    SimulatedHistory,
    SimulatedLog,
    SimulatedMailbox,
    SimulatedOutbox,
    SimulatedQueue,
)
from tests.simulation.workflows import compile_condition

PARTITIONS = 4
TTL = 4.0
_SHORT = 0.01
GATEWAY = GatewaySettings(
    lease_ttl=6.0,
    beat_interval=1.5,
    start_report_delay=0.3,
    resend_after=1.5,
    decision_wait=4.0,
    forward_wait=1.0,
)


class Backend:
    """What all processes share: the two stores, and the times."""

    def __init__(
        self,
        loop: SimulatedLoop,
        dice: Dice,
        on_violation: Callable[[str], None],
        crash: Callable[[Process], None],
    ) -> None:
        self._crash = crash
        self.loop = loop
        self.dice = dice
        self.weather = Weather()
        self.database_clock = SimulatedClock(loop)
        self.database = MemoryDatabase(self.database_clock)
        self.transport = MemoryTransport(SimulatedClock(loop))
        self.ids = SequentialIds()
        self.judge = Judge(self.database, self.transport, on_violation)
        self.cluster = Cluster("simulated", PARTITIONS, bytes(32))

    def lose_redis(self, owner: Process) -> None:
        """Empty Redis; whoever just wrote the history may not live to notice."""
        self.transport.lose_everything()
        self.transport.interrupt()
        if self.dice.rng.random() < 0.7:
            self.loop.in_world(self.dice.rng.random() * _SHORT, self._crash, owner)

    async def create(self) -> None:
        """Make the tables."""
        self.cluster = await MemoryClusterStore(self.database).open(PARTITIONS)


class Ports:
    """The adapters of one process."""

    def __init__(
        self,
        backend: Backend,
        process: Process,
        strike: Callable[[Process, Fault], None],
        trace: Callable[[str, str], None],
        former: Ports | None,
    ) -> None:
        self.backend = backend
        self.process = process
        self.machine_clock = SimulatedClock(backend.loop)
        if former is not None:
            self.machine_clock.offset = former.machine_clock.offset
        self.clock = ClusterClock(self.machine_clock)
        self.telemetry = RecordedTelemetry()
        database, transport = backend.database, backend.transport
        self.postgres = Line(process, "PostgreSQL", backend.dice, backend.weather, strike, trace)
        self.redis = Line(process, "Redis", backend.dice, backend.weather, strike, trace)
        self.membership = behind(self.postgres, MemoryMembership(database))
        self.executions = behind(self.postgres, MemoryExecutionStore(database))
        self.history = SimulatedHistory(
            self.postgres, MemoryHistoryStore(database), backend.judge, backend.lose_redis
        )
        workflows = behind(self.postgres, MemoryWorkflowStore(database))
        self.graphs = GraphCache(workflows, compile_condition)
        self.outbox = SimulatedOutbox(self.redis, MemoryOutbox(transport), backend.judge)
        self.mailbox = SimulatedMailbox(self.redis, MemoryMailbox(transport), backend.loop)
        self.queue = SimulatedQueue(self.redis, MemoryTaskQueue(transport), transport)
        self.registry = behind(self.redis, MemoryWorkerRegistry(transport))

    def log(self) -> SimulatedLog:
        """Return a command log with a reader of its own."""
        transport = self.backend.transport
        return SimulatedLog(self.redis, MemoryCommandLog(transport), transport, self.backend.loop)

    def session(self, role: Role) -> MemberSession:
        """Return the membership of the process."""
        settings = MemberSettings(frozenset({role}), self.process.name, TTL)
        return MemberSession(
            *(self.membership, self.clock, self.backend.ids, self.telemetry, settings), hear=self.clock.hear
        )


async def _as_member(ports: Ports, role: Role, running: Awaitable[None]) -> None:
    """Be a member for as long as something runs."""

    async def serve(_: MemberLease) -> None:
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        present = tasks.create_task(ports.session(role).run(serve))
        await running
        present.cancel()


class _ShownOwner(PartitionOwner):
    """Shows the lanes that it runs."""

    lanes: Sequence[Lane] = ()

    def assemble(self, lease: MemberLease) -> tuple[OwnPartitions, list[Lane]]:
        partitions, lanes = super().assemble(lease)
        self.lanes = lanes
        return partitions, lanes


class OwnerProcess:
    """An orchestrator."""

    def __init__(self, ports: Ports, lanes: int, *, has_net: bool) -> None:
        self._ports = ports
        owner_ports = OwnerPorts(
            membership=ports.membership,
            command_logs=tuple(ports.log() for _ in range(lanes)),
            outbox=ports.outbox,
            history=ports.history,
            executions=ports.executions,
            graphs=ports.graphs,
            clock=ports.clock,
            telemetry=ports.telemetry,
        )
        interval = 2.0 if has_net else inf
        # Without rests, and with looks at every tick, more happens close together, which finds defects.
        settings = OwnerSettings(
            PARTITIONS, receive_wait=1.0, rest=0.0, reconcile_interval=0.0, lost_tasks_interval=interval
        )
        self._owner = _ShownOwner(owner_ports, settings)
        ports.outbox.lanes = lambda: self._owner.lanes

    @property
    def lanes(self) -> Sequence[Lane]:
        """The lanes under the lease of now."""
        return self._owner.lanes

    async def run(self) -> None:
        """Own partitions for as long as the process lives."""
        await self._ports.session(Role.ORCHESTRATION).run(self._owner.run)


class GatewayProcess:
    """A worker gateway and its streams."""

    def __init__(self, ports: Ports) -> None:
        self.process = ports.process
        self._ports = ports
        self.host = GatewayHost(self._make)

    async def run(self) -> None:
        """Take workers for as long as the process lives."""
        await self._ports.session(Role.WORKER_CONTROL).run(self.host.serve)

    async def serve(self, stream: Stream) -> None:
        """Serve a stream as the servicer does."""
        try:
            gateway = self.host.gateway
            connection = await gateway.connect(await stream.up.receive(), stream)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - whatever it is, the worker tries again
            stream.cut()
            return
        try:
            stream.down.send(Welcome(connection.session.session_id, connection.lost_tokens))
            while True:
                frame = await stream.up.receive()
                if isinstance(frame, int):
                    gateway.grant(connection, frame)
                elif isinstance(frame, tuple):
                    stream.down.send(gateway.beat(connection, *frame))
                elif isinstance(frame, list):
                    await gateway.report(connection, frame)
        except Exception:  # noqa: BLE001 - the stream is over, as in the servicer
            stream.cut()
        finally:
            gateway.disconnect(connection)

    def _make(self, gateway_id: str) -> Gateway:
        ports = self._ports
        return Gateway(
            gateway_id,
            ports.backend.cluster,
            queue=ports.queue,
            commands=ports.log(),
            mailbox=ports.mailbox,
            registry=ports.registry,
            clock=ports.clock,
            telemetry=ports.telemetry,
            settings=GATEWAY,
        )


class ReaperProcess:
    """The sweeps."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        clock, telemetry = ports.clock, ports.telemetry
        lost = ReapLostTasks(
            ports.membership, ports.queue, ports.log(), clock, telemetry, partitions=PARTITIONS
        )
        orphans = StartOrphans(ports.executions, ports.log(), clock, telemetry)
        sweeps = [Sweep("lost tasks", 2.0, lost.sweep), Sweep("orphans", 2.0, orphans.sweep)]
        self._reaper = Reaper(sweeps, clock, telemetry)

    async def run(self) -> None:
        """Sweep for as long as the process lives."""
        await _as_member(self._ports, Role.REAPER, self._reaper.run())


class ApiProcess:
    """Submission, and cancels."""

    def __init__(self, ports: Ports) -> None:
        self.process = ports.process
        self._ports = ports
        self._log = ports.log()
        self._replies = ReplyDesk(ports.mailbox, f"callers-{ports.backend.ids.new_id()}", ports.clock)
        reader = ExecutionReader(ports.executions, ports.history, ports.graphs)
        cancel = CancelPorts(ports.executions, self._log, self._replies, ports.backend.ids, ports.clock)
        self.cancel = CancelExecution(reader, cancel)
        self._starting: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Take replies for as long as the process lives."""
        await _as_member(self._ports, Role.SUBMISSION, self._replies.run())

    async def submit(self, new: NewExecution) -> None:
        """Accept an execution, and have it started as far as that goes."""
        await self._ports.executions.create([new])
        starting = asyncio.ensure_future(self._start(new))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start(self, new: NewExecution) -> None:
        with suppress(StoreUnavailable):
            await self._log.send([CommandEnvelope(new.partition, StartExecution(new.key))])
