"""SubmissionService: each call is one use case."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from flowmesh.v1 import submission_service_pb2 as pb
from flowmesh.v1 import submission_service_pb2_grpc as pb_grpc
from flowmesh_core.domain.errors import FlowmeshError
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE
from flowmesh_services.runtime.caller import client_of, concerns, current_traceparent
from flowmesh_services.wire.problem import problem_to_proto, violation_to_proto
from flowmesh_services.wire.submission import submission_from_proto
from flowmesh_services.wire.workflow import received_workflow, version_to_proto

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from google.protobuf.message import Message
    from grpc.aio import ServicerContext

    from flowmesh_core.application.get_workflow import GetWorkflow
    from flowmesh_core.application.list_workflows import ListWorkflows
    from flowmesh_core.application.register_workflow import RegisterWorkflow
    from flowmesh_core.application.submit_workflow import Accepted, SubmitWorkflow
    from flowmesh_core.application.submit_workflows import SubmitWorkflows
    from flowmesh_core.application.validate_workflow import ValidateWorkflow

    Context = ServicerContext[Any, Any]

_READ_ON_THE_LOOP = 64 * 1024

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class SubmissionUseCases:
    """What the servicer calls, one per method."""

    validate_workflow: ValidateWorkflow
    register_workflow: RegisterWorkflow
    submit_workflow: SubmitWorkflow
    submit_workflows: SubmitWorkflows
    get_workflow: GetWorkflow
    list_workflows: ListWorkflows


class SubmissionServicer(pb_grpc.SubmissionServiceServicer):
    """Turns messages into calls of use cases, and back; domain errors pass through."""

    def __init__(self, use_cases: SubmissionUseCases, maximum_input_bytes: int) -> None:
        """Serve these use cases; the input of an execution may have so many bytes."""
        self._use = use_cases
        self._maximum_input_bytes = maximum_input_bytes

    async def ValidateWorkflow(
        self, request: pb.ValidateWorkflowRequest, context: Context
    ) -> pb.ValidateWorkflowResponse:
        """See submission_service.proto."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        received = await _read(request, partial(received_workflow, request.workflow))
        checked = await self._use.validate_workflow(namespace, received, client_of(context))
        return pb.ValidateWorkflowResponse(
            valid=not checked.violations,
            violations=map(violation_to_proto, checked.violations),
            digest=checked.digest,
        )

    async def RegisterWorkflow(
        self, request: pb.RegisterWorkflowRequest, context: Context
    ) -> pb.RegisterWorkflowResponse:
        """See submission_service.proto."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        received = None
        if request.HasField("workflow"):
            received = await _read(request, partial(received_workflow, request.workflow))
        result = await self._use.register_workflow(
            namespace, request.request_id, received, client_of(context)
        )
        version = version_to_proto(result.version, None)
        return pb.RegisterWorkflowResponse(workflow_version=version, existed=result.existed)

    async def SubmitWorkflow(
        self, request: pb.SubmitWorkflowRequest, context: Context
    ) -> pb.SubmitWorkflowResponse:
        """See submission_service.proto."""
        maximum = self._maximum_input_bytes
        submission = await _read(
            request, partial(submission_from_proto, request, current_traceparent(), maximum)
        )
        concerns(submission.namespace, submission.execution_id)
        accepted = await self._use.submit_workflow(submission, client_of(context))
        concerns(submission.namespace, accepted.execution_id)
        return _accepted(accepted)

    async def SubmitWorkflows(
        self, request: pb.SubmitWorkflowsRequest, context: Context
    ) -> pb.SubmitWorkflowsResponse:
        """See submission_service.proto."""
        traceparent, maximum = current_traceparent(), self._maximum_input_bytes
        submissions = await _read(
            request,
            lambda: [submission_from_proto(item, traceparent, maximum) for item in request.requests],
        )
        outcomes = await self._use.submit_workflows(submissions, client_of(context))
        return pb.SubmitWorkflowsResponse(results=map(_result, outcomes))

    async def GetWorkflow(self, request: pb.GetWorkflowRequest, _context: Context) -> pb.GetWorkflowResponse:
        """See submission_service.proto."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        version, workflow = await self._use.get_workflow(namespace, request.name, request.version)
        return pb.GetWorkflowResponse(workflow_version=version_to_proto(version, workflow))

    async def ListWorkflows(
        self, request: pb.ListWorkflowsRequest, _context: Context
    ) -> pb.ListWorkflowsResponse:
        """See submission_service.proto."""
        page = await self._use.list_workflows(
            request.namespace or DEFAULT_NAMESPACE, request.name, request.page_size, request.page_token
        )
        return pb.ListWorkflowsResponse(
            workflow_versions=[version_to_proto(version, None) for version in page.versions],
            next_page_token=page.next_page_token,
        )


async def _read(request: Message, read: Callable[[], Read]) -> Read:
    """Read a large request beside the event loop, where it would hold everyone up."""
    return read() if request.ByteSize() <= _READ_ON_THE_LOOP else await asyncio.to_thread(read)


def _accepted(accepted: Accepted) -> pb.SubmitWorkflowResponse:
    return pb.SubmitWorkflowResponse(execution_id=accepted.execution_id, replayed=accepted.replayed)


def _result(outcome: Accepted | FlowmeshError) -> pb.SubmitWorkflowResult:
    if isinstance(outcome, FlowmeshError):
        return pb.SubmitWorkflowResult(problem=problem_to_proto(outcome))
    return pb.SubmitWorkflowResult(response=_accepted(outcome))
