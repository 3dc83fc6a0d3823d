"""WorkerControlService over the worker gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh.v1 import worker_control_service_pb2_grpc as pb_grpc
from flowmesh_core.application.worker_gateway.outcome import TaskReport
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE
from flowmesh_core.domain.time import micros
from flowmesh_services.wire.task import completed, task_to_proto, unsuccessful_from_proto
from flowmesh_services.wire.timestamp import duration_to_proto
from flowmesh_services.wire.worker import worker_to_proto
from flowmesh_services.worker_control.requests import at_most, poll_from_proto
from flowmesh_services.worker_control.worker_stream import serve_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.application.worker_gateway.list_workers import ListWorkers
    from flowmesh_services.worker_control.gateway_host import GatewayHost
    from flowmesh_services.worker_control.stream_channel import Context


class WorkerControlServicer(pb_grpc.WorkerControlServiceServicer):
    """Turns messages into calls of the gateway, and back; domain errors pass through."""

    def __init__(self, host: GatewayHost, list_workers: ListWorkers) -> None:
        """Serve the gateway that `host` runs."""
        self._host = host
        self._list_workers = list_workers

    # The stubs know only streams that yield; this one writes to its context.
    async def Connect(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.ConnectRequest], context: Context
    ) -> None:
        """See worker_control_service.proto."""
        await serve_stream(self._host.gateway, request_iterator, context)

    async def PollTasks(self, request: pb.PollTasksRequest, context: Context) -> pb.PollTasksResponse:  # noqa: ARG002
        """See worker_control_service.proto."""
        gateway = self._host.gateway
        hello, maximum, wait = poll_from_proto(request)
        assignments = await gateway.calls.poll(hello, maximum, wait)
        return pb.PollTasksResponse(
            tasks=map(task_to_proto, assignments),
            lease_ttl=duration_to_proto(micros(gateway.settings.lease_ttl)),
        )

    async def CompleteTask(
        self,
        request: pb.CompleteTaskRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.CompleteTaskResponse:
        """See worker_control_service.proto."""
        gateway = self._host.gateway
        output = request.output if request.HasField("output") else None
        outcome = completed(output, gateway.settings.maximum_output_bytes)
        await gateway.calls.report(TaskReport(request.task_token, outcome, None))
        return pb.CompleteTaskResponse()

    async def FailTask(self, request: pb.FailTaskRequest, context: Context) -> pb.FailTaskResponse:  # noqa: ARG002
        """See worker_control_service.proto."""
        gateway = self._host.gateway
        await gateway.calls.report(unsuccessful_from_proto(request, gateway.settings.maximum_output_bytes))
        return pb.FailTaskResponse()

    async def HeartbeatTasks(
        self,
        request: pb.HeartbeatTasksRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.HeartbeatTasksResponse:
        """See worker_control_service.proto."""
        at_most("heartbeats", len(request.heartbeats))
        tokens = list(dict.fromkeys(heartbeat.task_token for heartbeat in request.heartbeats))
        answer = await self._host.gateway.calls.heartbeat(tokens)
        return pb.HeartbeatTasksResponse(lost_task_tokens=answer.lost, cancelled_task_tokens=answer.cancelled)

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:  # noqa: ARG002
        """See worker_control_service.proto."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        page = await self._list_workers(namespace, request.page_size, request.page_token)
        return pb.ListWorkersResponse(
            workers=map(worker_to_proto, page.workers), next_page_token=page.next_page_token
        )
