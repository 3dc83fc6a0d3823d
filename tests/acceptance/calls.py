"""Calls as programs in other languages make them: the generated stubs and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from flowmesh.v1 import orchestration_service_pb2 as orchestration_pb
from flowmesh.v1 import orchestration_service_pb2_grpc as orchestration_grpc
from flowmesh.v1 import payload_pb2, task_pb2, workflow_pb2
from flowmesh.v1 import submission_service_pb2 as submission_pb
from flowmesh.v1 import submission_service_pb2_grpc as submission_grpc
from flowmesh.v1 import worker_control_service_pb2 as worker_pb
from flowmesh.v1 import worker_control_service_pb2_grpc as worker_grpc
from flowmesh.v1.execution_pb2 import EXECUTION_STATE_COMPLETED, Execution

SECONDS = 20
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Refused:
    """What a refused call says: its code, its reason, and the reason per wrong field."""

    code: str
    reason: str
    fields: dict[str, str] = field(default_factory=dict)


class Calls:
    """The stubs of all services, in a namespace of their own."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.namespace = f"calls-{uuid4().hex[:8]}"
        self.submission: Any = submission_grpc.SubmissionServiceStub(channel)
        self.orchestration: Any = orchestration_grpc.OrchestrationServiceStub(channel)
        self.workers: Any = worker_grpc.WorkerControlServiceStub(channel)

    def submit(self, workflow: workflow_pb2.Workflow, **fields: Any) -> str:
        """Start an execution and return its id."""
        given: dict[str, Any] = {"namespace": self.namespace, "workflow": workflow} | fields
        request = submission_pb.SubmitWorkflowRequest(**given)
        return str(self.submission.SubmitWorkflow(request, timeout=SECONDS).execution_id)

    def take(self) -> task_pb2.Task:
        """Take the next task of the namespace."""
        request = worker_pb.PollTasksRequest(namespace=self.namespace, worker_id="poller", all_handlers=True)
        (task,) = self.workers.PollTasks(request, timeout=SECONDS).tasks
        return cast("task_pb2.Task", task)

    def complete(self, token: bytes, output: bytes = b"null") -> None:
        """Report the success of a task."""
        request = worker_pb.CompleteTaskRequest(task_token=token, output=exact(output))
        self.workers.CompleteTask(request, timeout=SECONDS)

    def execution(self, execution_id: str) -> Execution:
        """Return where an execution stands."""
        request = orchestration_pb.GetExecutionRequest(namespace=self.namespace, execution_id=execution_id)
        return cast("Execution", self.orchestration.GetExecution(request, timeout=SECONDS).execution)


@contextlib.contextmanager
def calling(address: str) -> Iterator[Calls]:
    """Connect."""
    with grpc.insecure_channel(address, _UNLIMITED) as channel:
        yield Calls(channel)


@contextlib.contextmanager
def undisturbed(calls: Calls) -> Iterator[None]:
    """Hold a task while others misbehave: afterwards it still counts, and so does all that is new."""
    waiting = calls.submit(workflow(node("held")))
    held = calls.take()
    yield
    fresh = calls.submit(workflow(node("fresh")))
    calls.complete(calls.take().task_token)
    calls.complete(held.task_token)
    assert calls.execution(waiting).state == EXECUTION_STATE_COMPLETED
    assert calls.execution(fresh).state == EXECUTION_STATE_COMPLETED


def refused(call: Callable[..., Any], request: Any) -> Refused:
    """Make a call that has to be refused; a stream is read to its end."""
    with contextlib.suppress(StopIteration):
        try:
            answer = call(request, timeout=SECONDS)
            if isinstance(answer, grpc.Call):
                while True:
                    next(cast("Iterator[Any]", answer))
        except grpc.RpcError as error:
            return explained(error)
    raise AssertionError("the call was not refused")


def explained(error: grpc.RpcError) -> Refused:
    """Read the details of an error."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, error
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for packed in status.details:
        for known in (info, bad_request):
            if packed.Is(known.DESCRIPTOR):
                packed.Unpack(known)
    assert info.domain == "flowmesh"
    fields = {violation.field: violation.reason for violation in bad_request.field_violations}
    return Refused(cast("grpc.Call", error).code().name, info.reason, fields)


def node(identity: str = "a", handler: str = "h", **fields: Any) -> workflow_pb2.Node:
    """Return a node."""
    return workflow_pb2.Node(id=identity, handler=handler, **fields)


def workflow(*nodes: workflow_pb2.Node, name: str = "w") -> workflow_pb2.Workflow:
    """Return a workflow."""
    return workflow_pb2.Workflow(name=name, dag=workflow_pb2.Dag(nodes=nodes))


def exact(data: bytes) -> payload_pb2.Payload:
    """Return a payload of exact bytes that claims to be JSON."""
    return payload_pb2.Payload(data=data)
