"""OrchestrationService: each call is one use case."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh.v1 import orchestration_service_pb2_grpc as pb_grpc
from flowmesh_core.domain.errors import FieldViolation, InvalidRequest
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE, ExecutionKey
from flowmesh_services.runtime.caller import concerns, current_traceparent
from flowmesh_services.wire.event import event_to_proto
from flowmesh_services.wire.execution import (
    EXECUTION_STATES,
    nodes_to_proto,
    record_to_proto,
    snapshot_to_proto,
)
from flowmesh_services.wire.orchestration import cancel_from_proto, filter_from_proto, watch_to_proto

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any, Protocol

    from grpc.aio import ServicerContext

    from flowmesh_core.application.await_execution import AwaitExecution
    from flowmesh_core.application.cancel_execution import CancelExecution
    from flowmesh_core.application.get_execution import GetExecution
    from flowmesh_core.application.list_events import ListEvents
    from flowmesh_core.application.list_executions import ListExecutions
    from flowmesh_core.application.watch_execution import WatchExecution, WatchMessage

    Context = ServicerContext[Any, Any]

    class _NamesExecution(Protocol):
        @property
        def namespace(self) -> str: ...
        @property
        def execution_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class OrchestrationUseCases:
    """What the servicer calls, one per method."""

    get_execution: GetExecution
    list_executions: ListExecutions
    watch_execution: WatchExecution
    await_execution: AwaitExecution
    cancel_execution: CancelExecution
    list_events: ListEvents


class OrchestrationServicer(pb_grpc.OrchestrationServiceServicer):
    """Turns messages into calls of use cases, and back; domain errors pass through."""

    def __init__(self, use_cases: OrchestrationUseCases, patience: float) -> None:
        """Serve these use cases; a watcher has to read each message within `patience` seconds."""
        self._use = use_cases
        self._patience = patience

    async def GetExecution(
        self, request: pb.GetExecutionRequest, _context: Context
    ) -> pb.GetExecutionResponse:
        """See orchestration_service.proto."""
        wants_nodes = request.include_nodes or request.include_payloads
        snapshot = await self._use.get_execution(_key(request), include_nodes=wants_nodes)
        nodes = await nodes_to_proto(snapshot, payloads=request.include_payloads) if wants_nodes else ()
        return pb.GetExecutionResponse(execution=snapshot_to_proto(snapshot), nodes=nodes)

    async def ListExecutions(
        self, request: pb.ListExecutionsRequest, _context: Context
    ) -> pb.ListExecutionsResponse:
        """See orchestration_service.proto."""
        query, violations = filter_from_proto(request)
        page = await self._use.list_executions(query, request.page_size, request.page_token, violations)
        return pb.ListExecutionsResponse(
            executions=map(record_to_proto, page.executions), next_page_token=page.next_page_token
        )

    # The stubs know only methods that yield; this one writes, to notice who does not read.
    async def WatchExecution(  # type: ignore[override]
        self, request: pb.WatchExecutionRequest, context: Context
    ) -> None:
        """See orchestration_service.proto; a stream whose reader has stopped ends as if it were old."""
        async with aclosing(self._watch(request)) as messages:
            async for message in messages:
                response = await watch_to_proto(message, payloads=request.include_payloads)
                if not await self._write(response, context):
                    return

    async def _write(self, response: pb.WatchExecutionResponse, context: Context) -> bool:
        """Return whether the watcher is still there and reads."""
        try:
            async with asyncio.timeout(self._patience):
                await context.write(response)
        except (TimeoutError, grpc.aio.InternalError, grpc.aio.UsageError):
            return False
        return True

    def _watch(self, request: pb.WatchExecutionRequest) -> AsyncGenerator[WatchMessage, None]:
        if request.mode == pb.WATCH_MODE_UNSPECIFIED:
            return self._use.watch_execution(_key(request), request.resume_token)
        if request.mode == pb.WATCH_MODE_TERMINAL_ONLY:
            return self._use.await_execution(_key(request))
        words = f"{request.mode} is not a WatchMode"
        raise InvalidRequest(f"mode: {words}", violations=(FieldViolation("mode", words, "UNKNOWN_ENUM"),))

    async def CancelExecution(
        self, request: pb.CancelExecutionRequest, _context: Context
    ) -> pb.CancelExecutionResponse:
        """See orchestration_service.proto."""
        cancel = cancel_from_proto(_key(request), request, current_traceparent())
        status = await self._use.cancel_execution(cancel)
        return pb.CancelExecutionResponse(state=EXECUTION_STATES[status])

    async def ListEvents(self, request: pb.ListEventsRequest, _context: Context) -> pb.ListEventsResponse:
        """See orchestration_service.proto."""
        page = await self._use.list_events(_key(request), request.page_size, request.page_token)
        return pb.ListEventsResponse(
            events=[
                event_to_proto(event, page.graph, payloads=request.include_payloads) for event in page.events
            ],
            next_page_token=page.next_page_token,
        )


def _key(request: _NamesExecution) -> ExecutionKey:
    """Return the execution that a call is about, and let its traces and logs say so."""
    key = ExecutionKey(request.namespace or DEFAULT_NAMESPACE, request.execution_id)
    concerns(*key)
    return key
