"""Every call of the clients, without I/O: what to send and what the answer means."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flowmesh import _decode, _payload, _status
from flowmesh._models import WorkflowVersion
from flowmesh._workflow.builder import Workflow
from flowmesh.v1 import orchestration_service_pb2 as orchestration
from flowmesh.v1 import submission_service_pb2 as submission
from flowmesh.v1 import worker_control_service_pb2 as worker_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    import grpc

    from flowmesh._channel import Stubs
    from flowmesh._errors import ServiceError
    from flowmesh._models import Event, Execution, Validation, WorkerInfo
    from flowmesh._states import ExecutionState

T = TypeVar("T")

Runnable = Workflow | WorkflowVersion | tuple[str, int] | str


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One unary call: which, with what, and how to read the answer."""

    rpc: Callable[[Stubs], grpc.UnaryUnaryMultiCallable[Any, Any]]
    request: Any
    parse: Callable[[Any], T]

    @property
    def name(self) -> str:
        """What traces call it."""
        return type(self.request).__name__.removesuffix("Request")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list and the token of the next; empty on the last."""

    items: tuple[T, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One item of `submit_many`; see `submit` for the meaning."""

    workflow: Runnable
    input: Any = None
    execution_id: str = ""
    request_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def _request_id(given: str) -> str:
    return given or str(uuid.uuid4())


def validate(namespace: str, workflow: Workflow) -> Call[Validation]:
    """Check a workflow."""
    request = submission.ValidateWorkflowRequest(namespace=namespace, workflow=workflow.to_proto())
    return Call(lambda stubs: stubs.submission.ValidateWorkflow, request, _decode.validation)


def register(namespace: str, workflow: Workflow, request_id: str) -> Call[WorkflowVersion]:
    """Store a workflow under its name."""
    request = submission.RegisterWorkflowRequest(
        namespace=namespace, request_id=_request_id(request_id), workflow=workflow.to_proto()
    )
    return Call(
        lambda stubs: stubs.submission.RegisterWorkflow,
        request,
        lambda answer: _decode.workflow_version(answer.workflow_version),
    )


def submit_request(namespace: str, item: Submission) -> submission.SubmitWorkflowRequest:
    """The message of one submission, with a request id so that it may be repeated."""
    request = submission.SubmitWorkflowRequest(
        namespace=namespace,
        request_id=_request_id(item.request_id),
        execution_id=item.execution_id,
        labels=dict(item.labels),
        input_payload=None if item.input is None else _payload.to_proto(item.input),
    )
    match item.workflow:
        case Workflow():
            request.workflow.CopyFrom(item.workflow.to_proto())
        case WorkflowVersion(name=name, version=version) | (str() as name, int() as version):
            request.workflow_reference.name, request.workflow_reference.version = name, version
        case str() as name:
            request.workflow_reference.name = name
        case _:
            raise TypeError(f"submit takes a Workflow, a name or (name, version), not {item.workflow!r}")
    return request


def submit(namespace: str, item: Submission) -> Call[str]:
    """Start an execution; the answer is its id."""
    request = submit_request(namespace, item)
    return Call(lambda stubs: stubs.submission.SubmitWorkflow, request, lambda answer: answer.execution_id)


def submit_many(requests: Sequence[submission.SubmitWorkflowRequest]) -> Call[list[str | ServiceError]]:
    """Start many executions; each answer is an id or what was wrong with the item."""
    request = submission.SubmitWorkflowsRequest(requests=requests)
    return Call(lambda stubs: stubs.submission.SubmitWorkflows, request, _outcomes)


def _outcomes(answer: submission.SubmitWorkflowsResponse) -> list[str | ServiceError]:
    return [
        _status.error_of_problem(result.problem)
        if result.HasField("problem")
        else result.response.execution_id
        for result in answer.results
    ]


def get_execution(namespace: str, execution_id: str, *, nodes: bool, payloads: bool) -> Call[Execution]:
    """See where an execution stands."""
    request = orchestration.GetExecutionRequest(
        namespace=namespace, execution_id=execution_id, include_nodes=nodes, include_payloads=payloads
    )
    return Call(
        lambda stubs: stubs.orchestration.GetExecution,
        request,
        lambda answer: _decode.execution(answer.execution, answer.nodes),
    )


def cancel(
    namespace: str, execution_id: str, *, reason: str, grace: timedelta | None
) -> Call[ExecutionState]:
    """Cancel an execution; the answer is its state after the decision."""
    request = orchestration.CancelExecutionRequest(
        namespace=namespace,
        execution_id=execution_id,
        request_id=_request_id(""),
        reason=reason,
        grace=grace,
    )
    return Call(
        lambda stubs: stubs.orchestration.CancelExecution,
        request,
        lambda answer: _decode.execution_state(answer.state),
    )


def get_workflow(namespace: str, name: str, version: int) -> Call[WorkflowVersion]:
    """Fetch a registered version."""
    request = submission.GetWorkflowRequest(namespace=namespace, name=name, version=version)
    return Call(
        lambda stubs: stubs.submission.GetWorkflow,
        request,
        lambda answer: _decode.workflow_version(answer.workflow_version),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """Which executions to list."""

    workflow_name: str = ""
    states: Iterable[ExecutionState | str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None

    def request(self, namespace: str, page_size: int) -> orchestration.ListExecutionsRequest:
        """The message of the first page."""
        return orchestration.ListExecutionsRequest(
            namespace=namespace,
            workflow_name=self.workflow_name,
            states=_decode.execution_state_numbers(self.states),  # type: ignore[arg-type] # numbers are accepted
            labels=dict(self.labels),
            created_after=self.created_after,
            created_before=self.created_before,
            page_size=page_size,
        )


@dataclass(frozen=True, slots=True)
class Pager(Generic[T]):
    """The calls of a list, one for each page."""

    rpc: Callable[[Stubs], grpc.UnaryUnaryMultiCallable[Any, Any]]
    request: Any
    parse: Callable[[Any], Page[T]]

    def page(self, token: str) -> Call[Page[T]]:
        """The call for the page of a token; empty for the first."""
        self.request.page_token = token
        return Call(self.rpc, self.request, self.parse)


def list_executions(namespace: str, wanted: ExecutionFilter, page_size: int) -> Pager[Execution]:
    """List executions, the newest first."""
    request = wanted.request(namespace, page_size)

    def parse(answer: orchestration.ListExecutionsResponse) -> Page[Execution]:
        return Page(tuple(map(_decode.execution, answer.executions)), answer.next_page_token)

    return Pager(lambda stubs: stubs.orchestration.ListExecutions, request, parse)


def list_events(namespace: str, execution_id: str, *, payloads: bool, page_size: int) -> Pager[Event]:
    """List the history of an execution, the oldest first."""
    request = orchestration.ListEventsRequest(
        namespace=namespace, execution_id=execution_id, include_payloads=payloads, page_size=page_size
    )

    def parse(answer: orchestration.ListEventsResponse) -> Page[Event]:
        return Page(tuple(map(_decode.event, answer.events)), answer.next_page_token)

    return Pager(lambda stubs: stubs.orchestration.ListEvents, request, parse)


def list_workflows(namespace: str, name: str, page_size: int) -> Pager[WorkflowVersion]:
    """List registered versions."""
    request = submission.ListWorkflowsRequest(namespace=namespace, name=name, page_size=page_size)

    def parse(answer: submission.ListWorkflowsResponse) -> Page[WorkflowVersion]:
        return Page(tuple(map(_decode.workflow_version, answer.workflow_versions)), answer.next_page_token)

    return Pager(lambda stubs: stubs.submission.ListWorkflows, request, parse)


def list_workers(namespace: str, page_size: int) -> Pager[WorkerInfo]:
    """List connected workers."""
    request = worker_control.ListWorkersRequest(namespace=namespace, page_size=page_size)

    def parse(answer: worker_control.ListWorkersResponse) -> Page[WorkerInfo]:
        return Page(tuple(map(_decode.worker, answer.workers)), answer.next_page_token)

    return Pager(lambda stubs: stubs.worker_control.ListWorkers, request, parse)
