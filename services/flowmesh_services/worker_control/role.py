"""What serves the worker control role, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh.v1 import worker_control_service_pb2_grpc as pb_grpc
from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.list_workers import ListWorkers
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_services.runtime.role import ServedRole, Service
from flowmesh_services.worker_control.gateway_host import GatewayHost
from flowmesh_services.worker_control.servicer import WorkerControlServicer

if TYPE_CHECKING:
    import grpc

    from flowmesh_core.ports.clock import Clock
    from flowmesh_core.ports.cluster_store import Cluster
    from flowmesh_core.ports.command_log import CommandLog
    from flowmesh_core.ports.mailbox import Mailbox
    from flowmesh_core.ports.task_queue import TaskQueue
    from flowmesh_core.ports.telemetry import Telemetry
    from flowmesh_core.ports.worker_registry import WorkerRegistry

SERVICE = "flowmesh.v1.WorkerControlService"


@dataclass(frozen=True, slots=True)
class WorkerControlPorts:
    """What dealing with workers needs from the world."""

    queue: TaskQueue
    commands: CommandLog
    mailbox: Mailbox
    registry: WorkerRegistry
    clock: Clock
    telemetry: Telemetry


def worker_control_role(
    ports: WorkerControlPorts, cluster: Cluster, settings: GatewaySettings
) -> tuple[ServedRole, GatewayHost]:
    """Return the role, and what has to be served as a member of the cluster for it to work."""

    def make(gateway_id: str) -> Gateway:
        return Gateway(
            gateway_id,
            cluster,
            queue=ports.queue,
            commands=ports.commands,
            mailbox=ports.mailbox,
            registry=ports.registry,
            clock=ports.clock,
            telemetry=ports.telemetry,
            settings=settings,
        )

    host = GatewayHost(make)
    servicer = WorkerControlServicer(host, ListWorkers(ports.registry))

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_WorkerControlServiceServicer_to_server(servicer, server)

    return ServedRole("worker-control", services=(Service(SERVICE, register),), drain=host.drain), host
