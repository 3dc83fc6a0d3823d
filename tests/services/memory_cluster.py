"""A cluster in memory behind real gRPC servers, and what its callers get to see."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from flowmesh.v1 import orchestration_service_pb2_grpc, submission_service_pb2_grpc
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.load_gauge import MemoryLoadGauge
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.rate_limiter import MemoryRateLimiter
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.watch_hints import MemoryWatchHints
from flowmesh_core.adapters.memory.worker_registry import MemoryWorkerRegistry
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.adapters.system import SystemClock, Uuid7Ids
from flowmesh_core.application.cancel_execution import DecisionPatience
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.domain.expressions import ExpressionError
from flowmesh_services.orchestration.role import (
    OrchestrationOptions,
    OrchestrationPorts,
    orchestration_role,
)
from flowmesh_services.runtime.server import GrpcServer, ServerOptions
from flowmesh_services.submission.role import SubmissionOptions, SubmissionPorts, submission_role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from flowmesh_core.domain.expressions import Evaluate
    from flowmesh_services.runtime.role import ServedRole

PARTITIONS = 4
QUICK_WATCH = WatchSettings(poll=0.2)
QUICK_PATIENCE = DecisionPatience(total=5.0, resend=0.1)


def compile_expression(source: str, _variables: Collection[str]) -> Evaluate:
    """Stand for an expression engine that knows `true` and nothing else."""
    if source != "true":
        raise ExpressionError(f"cannot compile {source}")
    return lambda _values: True


class MemoryCluster:
    """The stores and the transport that the replicas of a cluster share."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.database = MemoryDatabase(self.clock)
        self.transport = MemoryTransport(self.clock)
        self.telemetry = RecordedTelemetry()
        self.executions = MemoryExecutionStore(self.database)
        self.workflows = MemoryWorkflowStore(self.database)
        self.histories = MemoryHistoryStore(self.database)
        self.commands = MemoryCommandLog(self.transport)
        self.outbox = MemoryOutbox(self.transport)
        self.workers = MemoryWorkerRegistry(self.transport)

    def submission(self, options: SubmissionOptions) -> ServedRole:
        """Return one replica of the submission role."""
        ports = SubmissionPorts(
            self.executions,
            self.workflows,
            self.commands,
            MemoryRateLimiter(self.transport),
            MemoryLoadGauge(self.transport),
            Uuid7Ids(),
            self.clock,
            self.telemetry,
            compile_expression,
        )
        return submission_role(ports, options)

    def orchestration(self, options: OrchestrationOptions) -> ServedRole:
        """Return one replica of the orchestration role, without an owner of partitions."""
        ports = OrchestrationPorts(
            self.executions,
            self.histories,
            GraphCache(self.workflows, compile_expression),
            self.workers,
            self.commands,
            MemoryMailbox(self.transport),
            MemoryWatchHints(self.transport),
            Uuid7Ids(),
            self.clock,
            self.telemetry,
        )
        return orchestration_role(ports, options)


@dataclass(frozen=True, slots=True)
class Replica:
    """One server of a cluster, as its clients see it."""

    submission: submission_service_pb2_grpc.SubmissionServiceAsyncStub
    orchestration: orchestration_service_pb2_grpc.OrchestrationServiceAsyncStub
    channel: grpc.aio.Channel
    roles: tuple[ServedRole, ServedRole]

    async def drain(self) -> None:
        """Do what a server does first when it is told to end."""
        for role in self.roles:
            if role.drain is not None:
                await role.drain()


@asynccontextmanager
async def replica(
    cluster: MemoryCluster,
    *,
    name: str = "one",
    submission: SubmissionOptions | None = None,
    watch: WatchSettings = QUICK_WATCH,
    patience: DecisionPatience = QUICK_PATIENCE,
) -> AsyncIterator[Replica]:
    """Serve both roles on one port."""
    roles = (
        cluster.submission(submission or SubmissionOptions(PARTITIONS)),
        cluster.orchestration(OrchestrationOptions(f"{name}:orchestration", watch, patience)),
    )
    server = GrpcServer(ServerOptions("127.0.0.1:0", 128 * 1024 * 1024), roles)
    loops = [asyncio.ensure_future(loop.run()) for role in roles for loop in role.background]
    address = await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Replica(
                submission_service_pb2_grpc.SubmissionServiceStub(channel),
                orchestration_service_pb2_grpc.OrchestrationServiceStub(channel),
                channel,
                roles,
            )
    finally:
        await server.stop(0)
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a client sees it."""

    code: grpc.StatusCode
    reason: str
    fields: Mapping[str, str]
    """The reason per field path."""
    metadata: Mapping[str, str]
    retry_after: float | None


def refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Read an error with its details."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    found: dict[str, Any] = {}
    for packed in status.details:
        kind = packed.TypeName().rsplit(".", 1)[1]
        found[kind] = getattr(error_details_pb2, kind)()
        packed.Unpack(found[kind])
    info = found["ErrorInfo"]
    violations = found["BadRequest"].field_violations if "BadRequest" in found else ()
    retry = found.get("RetryInfo")
    return Refusal(
        error.code(),
        info.reason,
        {violation.field: violation.reason for violation in violations},
        dict(info.metadata),
        None if retry is None else retry.retry_delay.ToMilliseconds() / 1000,
    )
