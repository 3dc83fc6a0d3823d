"""What serves OrchestrationService, put together; the owner of partitions is not part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh.v1 import orchestration_service_pb2_grpc as pb_grpc
from flowmesh_core.application.await_execution import AwaitExecution
from flowmesh_core.application.cancel_execution import CancelExecution, CancelPorts, DecisionPatience
from flowmesh_core.application.closings import Closings
from flowmesh_core.application.execution_reader import ExecutionReader
from flowmesh_core.application.get_execution import GetExecution
from flowmesh_core.application.list_events import ListEvents
from flowmesh_core.application.list_executions import ListExecutions
from flowmesh_core.application.offered_handlers import OfferedHandlers
from flowmesh_core.application.replies import ReplyDesk
from flowmesh_core.application.watch_execution import WatchExecution
from flowmesh_core.application.watch_hub import WatchHub, WatchSettings
from flowmesh_services.orchestration.servicer import OrchestrationServicer, OrchestrationUseCases
from flowmesh_services.runtime.role import Background, ServedRole, Service

if TYPE_CHECKING:
    import grpc

    from flowmesh_core.application.graph_cache import GraphCache
    from flowmesh_core.ports.clock import Clock
    from flowmesh_core.ports.command_log import CommandLog
    from flowmesh_core.ports.execution_store import ExecutionStore
    from flowmesh_core.ports.history_store import HistoryStore
    from flowmesh_core.ports.id_source import IdSource
    from flowmesh_core.ports.mailbox import Mailbox
    from flowmesh_core.ports.telemetry import Telemetry
    from flowmesh_core.ports.watch_hints import WatchHints
    from flowmesh_core.ports.worker_registry import WorkerRegistry

SERVICE = "flowmesh.v1.OrchestrationService"


@dataclass(frozen=True, slots=True)
class OrchestrationPorts:
    """What showing and changing executions needs from the world; graphs are shared with the owner."""

    executions: ExecutionStore
    histories: HistoryStore
    graphs: GraphCache
    workers: WorkerRegistry
    commands: CommandLog
    mailbox: Mailbox
    hints: WatchHints
    ids: IdSource
    clock: Clock
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class OrchestrationOptions:
    """How callers are served.

    Attributes:
        mailbox: Where replies to this process go; no other process or component opens it.
        watch: Limits of watchers.
        patience: How long a cancel waits for its decision.
    """

    mailbox: str
    watch: WatchSettings = WatchSettings()
    patience: DecisionPatience = DecisionPatience()


def orchestration_role(ports: OrchestrationPorts, options: OrchestrationOptions) -> ServedRole:
    """Return the role, ready to be served."""
    replies = ReplyDesk(ports.mailbox, options.mailbox, ports.clock)
    hub = WatchHub(ports.hints, ports.histories, ports.clock, ports.telemetry, options.watch)
    closings = Closings(ports.hints, ports.clock)
    use_cases = _use_cases(ports, options, replies, hub, closings)
    servicer = OrchestrationServicer(use_cases, options.watch.patience)

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_OrchestrationServiceServicer_to_server(servicer, server)

    async def drain() -> None:
        hub.drain()
        closings.wake_all()

    return ServedRole(
        "orchestration",
        services=(Service(SERVICE, register),),
        background=(
            Background("replies to callers", replies.run),
            Background("executions that close", closings.run),
        ),
        drain=drain,
    )


def _use_cases(
    ports: OrchestrationPorts,
    options: OrchestrationOptions,
    replies: ReplyDesk,
    hub: WatchHub,
    closings: Closings,
) -> OrchestrationUseCases:
    reader = ExecutionReader(ports.executions, ports.histories, ports.graphs)
    offered = OfferedHandlers(ports.workers, ports.telemetry)
    cancel = CancelPorts(ports.executions, ports.commands, replies, ports.ids, ports.clock)
    return OrchestrationUseCases(
        get_execution=GetExecution(reader, offered),
        list_executions=ListExecutions(ports.executions),
        watch_execution=WatchExecution(reader, offered, hub),
        await_execution=AwaitExecution(reader, closings, hub),
        cancel_execution=CancelExecution(reader, cancel, options.patience),
        list_events=ListEvents(reader, ports.histories),
    )
