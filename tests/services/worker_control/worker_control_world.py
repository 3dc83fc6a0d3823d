"""Gateways behind real gRPC servers, an owner played by the test, and workers that speak the protocol."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from flowmesh.v1 import task_pb2, worker_control_service_pb2_grpc
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.worker_registry import MemoryWorkerRegistry
from flowmesh_core.adapters.system import SystemClock
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.domain.commands import Command, StartTask
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.cluster_store import Cluster
from flowmesh_core.ports.membership import Member, Role
from flowmesh_core.ports.outbox import CancelNotice, Outgoing, QueuedTask, Reply
from flowmesh_services.runtime.server import GrpcServer, ServerOptions
from flowmesh_services.worker_control.role import WorkerControlPorts, worker_control_role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from flowmesh_core.ports.command_log import CommandEnvelope
    from flowmesh_services.runtime.role import ServedRole

CLUSTER = Cluster("test", 4, bytes(range(32)))
PATIENCE = 10.0


class World:
    """The transport of a cluster, and the owner of all its partitions."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.transport = MemoryTransport(self.clock)
        self.outbox = MemoryOutbox(self.transport)
        self.commands: list[Command] = []
        self.envelopes: list[CommandEnvelope] = []
        self.decide: Callable[[Command], Verdict | None] = lambda _command: Verdict.ACCEPTED
        self._arrived = asyncio.Condition()

    async def queue(self, *tasks: QueuedTask) -> None:
        await self.outbox.flush(Outgoing(tasks=tasks))

    async def own(self) -> None:
        """Answer every command as `decide` says; None leaves it unanswered."""
        log = MemoryCommandLog(self.transport)
        partitions = range(CLUSTER.partitions)
        await log.open(partitions)
        while True:
            for delivered in await log.receive(partitions, limit=1_000, wait=5.0):
                await self._answer(delivered.envelope)

    async def _answer(self, envelope: CommandEnvelope) -> None:
        verdict = self.decide(envelope.command)
        async with self._arrived:
            self.commands.append(envelope.command)
            self.envelopes.append(envelope)
            self._arrived.notify_all()
        if verdict is None:
            return
        reply = Reply(envelope.correlation_id, verdict, None)
        ends = envelope.queue_entry is not None and not isinstance(envelope.command, StartTask)
        await self.outbox.flush(
            Outgoing(
                replies={envelope.reply_to: [reply]},
                withdrawn=[envelope.queue_entry] if ends and envelope.queue_entry else [],
            )
        )

    async def command(self, kind: type[Command], count: int = 1) -> Command:
        """Return the `count`-th command of a kind as soon as it came."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(self._of(kind)) >= count)
        return self._of(kind)[count - 1]

    def _of(self, kind: type[Command]) -> list[Command]:
        return [command for command in self.commands if isinstance(command, kind)]

    async def cancel(self, gateway_id: str, *tasks: QueuedTask) -> None:
        notices = [CancelNotice(task.key, task.node_id, task.attempt) for task in tasks]
        await self.outbox.flush(Outgoing(cancels={gateway_id: notices}))

    @property
    def pending(self) -> dict[str, str]:
        """The gateway that holds each task that was taken and not ended, by node."""
        return {
            task.node_id: gateway_id
            for queue in self.transport.queues.values()
            for gateway_id, task in queue.pending.values()
        }

    @property
    def waiting(self) -> int:
        return sum(len(queue.waiting) for queue in self.transport.queues.values())


def task(node_id: str = "a", handler: str = "work", **fields: Any) -> QueuedTask:
    given: dict[str, Any] = {
        "key": ExecutionKey("default", "run"),
        "node_id": node_id,
        "attempt": 1,
        "handler": handler,
        "input": Payload(b'{"x":1}'),
        "start_to_close": Micros(60 * SECOND),
        "heartbeat": None,
        "workflow_name": "flow",
        "scheduled_at": Micros(0),
        "traceparent": "00-trace",
    }
    return QueuedTask(**(given | fields))


class Server:
    """One gateway's server, as clients see it."""

    def __init__(self, channel: grpc.aio.Channel, role: ServedRole) -> None:
        self.stub = worker_control_service_pb2_grpc.WorkerControlServiceStub(channel)
        self._role = role

    def connect(self) -> Worker:
        return Worker(self.stub.Connect())

    async def drain(self) -> None:
        assert self._role.drain is not None
        await self._role.drain()


@asynccontextmanager
async def gateway_server(
    world: World,
    gateway_id: str = "gateway-1",
    **settings: Any,
) -> AsyncIterator[Server]:
    transport = world.transport
    ports = WorkerControlPorts(
        MemoryTaskQueue(transport),
        MemoryCommandLog(transport),
        MemoryMailbox(transport),
        MemoryWorkerRegistry(transport),
        world.clock,
        RecordedTelemetry(),
    )
    role, host = worker_control_role(ports, CLUSTER, GatewaySettings(**settings))
    member = Member(gateway_id, frozenset({Role.WORKER_CONTROL}))
    lease = MemberLease(member, world.clock, 60.0, world.clock.monotonic())
    server = GrpcServer(ServerOptions("127.0.0.1:0", 128 * 1024 * 1024), [role])
    serving = asyncio.create_task(host.serve(lease))
    address = await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Server(channel, role)
    finally:
        await server.stop(0)
        serving.cancel()
        await asyncio.wait({serving})


class Worker:
    """A worker on a stream, one frame at a time."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.welcome = pb.Welcome()

    async def hello(self, *, credits: int = 0, **fields: Any) -> Worker:  # noqa: A002
        given: dict[str, Any] = {
            "worker_id": "w1",
            "handlers": ["work"],
            "slots": 10,
            "protocol_versions": [1],
        }
        if fields.get("all_handlers"):
            del given["handlers"]
        await self.send(hello=pb.Hello(**(given | fields)))
        self.welcome = (await self.read("welcome")).welcome
        if credits:
            await self.send(credit_grant=pb.CreditGrant(credits=credits))
        return self

    async def send(self, **frame: Any) -> None:
        await self.call.write(pb.ConnectRequest(**frame))

    async def read(self, kind: str) -> pb.ConnectResponse:
        """Return the next frame, which has to be of a kind."""
        async with asyncio.timeout(PATIENCE):
            frame = await self.call.read()
        assert frame is not grpc.aio.EOF, "the stream ended"
        assert frame.WhichOneof("frame") == kind
        assert isinstance(frame, pb.ConnectResponse)
        return frame

    async def tasks(self, count: int) -> list[task_pb2.Task]:
        """Return exactly so many assigned tasks."""
        found: list[task_pb2.Task] = []
        while len(found) < count:
            found += (await self.read("assignments")).assignments.tasks
        assert len(found) == count
        return found

    async def complete(self, *tokens: bytes, data: bytes = b"1") -> None:
        await self.send(reports=pb.TaskReports(reports=[completion(token, data) for token in tokens]))

    async def results(self, count: int) -> dict[bytes, task_pb2.ReportResult]:
        found: dict[bytes, task_pb2.ReportResult] = {}
        while len(found) < count:
            found |= {r.task_token: r for r in (await self.read("report_results")).report_results.results}
        return found

    async def beat(self, *held: bytes, heartbeats: Sequence[bytes] = ()) -> pb.BeatReply:
        beats = [task_pb2.Heartbeat(task_token=token) for token in heartbeats]
        await self.send(beat=pb.Beat(held_task_tokens=held, heartbeats=beats))
        return (await self.read("beat_reply")).beat_reply

    async def end(self) -> grpc.aio.AioRpcError | None:
        """Read up to the end of the stream; return its error."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.call.read() is not grpc.aio.EOF:
                    pass
        except grpc.aio.AioRpcError as error:
            return error
        return None


def completion(token: bytes, data: bytes = b"1") -> task_pb2.TaskReport:
    report = task_pb2.TaskReport(task_token=token)
    report.completion.output.data = data
    return report
