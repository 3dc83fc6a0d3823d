from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

import flowmesh
from flowmesh.v1 import execution_pb2 as execution
from flowmesh.v1 import orchestration_service_pb2 as orchestration
from flowmesh.v1 import problem_pb2
from flowmesh.v1 import submission_service_pb2 as submission
from flowmesh.v1 import worker_control_service_pb2 as worker_control

from .scripted_server import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .scripted_server import ScriptedServer

RETRY_SOON = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=10_000_000))


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[flowmesh.Client]:
    with flowmesh.Client(server.address, timeout=5) as client:
        yield client


def workflow() -> flowmesh.Workflow:
    built = flowmesh.Workflow("report")
    built.node("fetch", url="{{ input.url }}")
    return built


def reason(name: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=name, domain="flowmesh", metadata=metadata)


def test_submit_sends_exact_bytes_and_a_request_id(server: ScriptedServer, client: flowmesh.Client) -> None:
    server.script("SubmitWorkflow", submission.SubmitWorkflowResponse(execution_id="e1"))
    handle = client.submit(workflow(), {"n": 2**70, "x": 1.0}, execution_id="e1", labels={"team": "a"})
    request = server.received["SubmitWorkflow"][0].request
    assert handle.id == "e1"
    assert request.namespace == "default"
    assert request.request_id
    assert request.input_payload.data == b'{"n":1180591620717411303424,"x":1.0}'
    assert request.workflow.dag.nodes[0].config_payload.data == b'{"url":"{{ input.url }}"}'
    assert dict(request.labels) == {"team": "a"}


@pytest.mark.parametrize(
    ("runnable", "name", "version"),
    [("report", "report", 0), (("report", 3), "report", 3)],
)
def test_submit_takes_a_registered_workflow(
    server: ScriptedServer, client: flowmesh.Client, runnable: Any, name: str, version: int
) -> None:
    server.script("SubmitWorkflow", submission.SubmitWorkflowResponse(execution_id="e1"))
    client.submit(runnable)
    reference = server.received["SubmitWorkflow"][0].request.workflow_reference
    assert (reference.name, reference.version) == (name, version)


def test_submit_refuses_what_is_no_workflow(client: flowmesh.Client) -> None:
    with pytest.raises(TypeError):
        client.submit(7)  # type: ignore[arg-type]


def test_submit_is_repeated_with_the_same_request_id(server: ScriptedServer, client: flowmesh.Client) -> None:
    server.script(
        "SubmitWorkflow",
        Refusal(grpc.StatusCode.UNAVAILABLE, "away"),
        Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (reason("RATE_LIMITED"), RETRY_SOON)),
        submission.SubmitWorkflowResponse(execution_id="e1"),
    )
    client.submit(workflow())
    ids = {call.request.request_id for call in server.received["SubmitWorkflow"]}
    assert len(server.received["SubmitWorkflow"]) == 3
    assert len(ids) == 1


def test_exhausted_without_a_hint_is_not_repeated(server: ScriptedServer, client: flowmesh.Client) -> None:
    server.script("GetExecution", Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "message too large"))
    with pytest.raises(flowmesh.RateLimitedError) as caught:
        client.get("e1")
    assert caught.value.retry_after is None
    assert len(server.received["GetExecution"]) == 1


def test_an_absent_service_is_an_error_after_the_timeout(server: ScriptedServer) -> None:
    server.stop()
    with flowmesh.Client(server.address, timeout=0.3) as client, pytest.raises(flowmesh.UnavailableError):
        client.get("e1")


@pytest.mark.parametrize("address", ["http://127.0.0.1:7466", "https://flowmesh.example"])
def test_a_url_is_no_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is a URL; host:port is enough"):
        flowmesh.Client(address)
    with pytest.raises(ValueError, match="is a URL; host:port is enough"):
        flowmesh.Worker(address, dry_run=True)
    monkeypatch.setenv("FLOWMESH_ADDRESS", address)
    with pytest.raises(ValueError, match="is a URL; host:port is enough"):
        flowmesh.AsyncClient()


def test_every_violation_arrives(server: ScriptedServer, client: flowmesh.Client) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="dag.nodes[0].id", description="is empty", reason="BAD_ID")
    bad.field_violations.add(field="dag", description="a → b → a", reason="CYCLE")
    about = error_details_pb2.ResourceInfo(resource_type="workflow", resource_name="report")
    server.script(
        "SubmitWorkflow",
        Refusal(
            grpc.StatusCode.INVALID_ARGUMENT, "wrong", (bad, reason("INVALID_WORKFLOW", limit="9"), about)
        ),
    )
    with pytest.raises(flowmesh.InvalidWorkflowError) as caught:
        client.submit(workflow())
    error = caught.value
    assert error.code == "INVALID_ARGUMENT"
    assert error.metadata == {"limit": "9"}
    assert [violation.reason for violation in error.violations] == ["BAD_ID", "CYCLE"]
    assert error.resource_name == "report"
    assert "dag: a → b → a" in str(error)


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND", flowmesh.ExecutionNotFoundError),
        (grpc.StatusCode.NOT_FOUND, "SOMETHING_NEW", flowmesh.NotFoundError),
        (grpc.StatusCode.ALREADY_EXISTS, "EXECUTION_ALREADY_EXISTS", flowmesh.AlreadyExistsError),
        (grpc.StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_MISMATCH", flowmesh.IdempotencyMismatchError),
        (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_IN_FUTURE", flowmesh.InvalidResumeTokenError),
        (grpc.StatusCode.PERMISSION_DENIED, "", flowmesh.AccessError),
        (grpc.StatusCode.INTERNAL, "", flowmesh.ServiceError),
    ],
)
def test_errors_are_typed(
    server: ScriptedServer, client: flowmesh.Client, code: grpc.StatusCode, name: str, kind: type[Exception]
) -> None:
    server.script("GetExecution", Refusal(code, "no", (reason(name),) if name else ()))
    with pytest.raises(kind) as caught:
        client.get("e1")
    assert type(caught.value) is kind


def test_submit_many_answers_each_item(server: ScriptedServer, client: flowmesh.Client) -> None:
    def answer(request: submission.SubmitWorkflowsRequest) -> submission.SubmitWorkflowsResponse:
        response = submission.SubmitWorkflowsResponse()
        for item in request.requests:
            if item.execution_id == "bad":
                problem = problem_pb2.Problem(code=6, reason="EXECUTION_ALREADY_EXISTS", message="taken")
                response.results.add(problem=problem)
            else:
                response.results.add(
                    response=submission.SubmitWorkflowResponse(execution_id=item.execution_id)
                )
        return response

    server.script("SubmitWorkflows", answer, answer)
    items = [flowmesh.Submission(workflow(), execution_id=f"e{n}") for n in range(1_200)]
    items[7] = flowmesh.Submission(workflow(), execution_id="bad")
    outcomes = client.submit_many(items)
    assert len(server.received["SubmitWorkflows"]) == 2
    assert isinstance(outcomes[7], flowmesh.AlreadyExistsError)
    assert [o.id for o in outcomes if isinstance(o, flowmesh.ExecutionHandle)][-1] == "e1199"


def half_full() -> tuple[submission.SubmitWorkflowsResponse, submission.SubmitWorkflowsResponse]:
    """A server that takes the first of two items, and the second when it comes again."""
    first, second = submission.SubmitWorkflowsResponse(), submission.SubmitWorkflowsResponse()
    problem = problem_pb2.Problem(code=8, reason="OVERLOADED", retry_delay=Duration(nanos=10_000_000))
    first.results.add(response=submission.SubmitWorkflowResponse(execution_id="e1"))
    first.results.add(problem=problem)
    second.results.add(response=submission.SubmitWorkflowResponse(execution_id="e2"))
    return first, second


async def test_items_refused_for_now_are_sent_again_under_their_request_ids(
    server: ScriptedServer, client: flowmesh.Client
) -> None:
    server.script("SubmitWorkflows", *half_full(), *half_full())
    two = [flowmesh.Submission("report"), flowmesh.Submission("report")]
    outcomes = await asyncio.to_thread(client.submit_many, two)
    async with flowmesh.AsyncClient(server.address, timeout=5) as patient:
        again = await patient.submit_many(two)
        assert [each.id for each in again if isinstance(each, flowmesh.AsyncExecutionHandle)] == ["e1", "e2"]
    assert [each.id for each in outcomes if isinstance(each, flowmesh.ExecutionHandle)] == ["e1", "e2"]
    sent = [
        [item.request_id for item in call.request.requests] for call in server.received["SubmitWorkflows"]
    ]
    assert [len(ids) for ids in sent] == [2, 1, 2, 1]
    assert (sent[0][1], sent[2][1]) == (sent[1][0], sent[3][0])


def test_lists_walk_through_all_pages(server: ScriptedServer, client: flowmesh.Client) -> None:
    pages = [
        orchestration.ListExecutionsResponse(
            executions=[execution.Execution(execution_id=f"e{n}", state=execution.EXECUTION_STATE_FAILED)],
            next_page_token=token,
        )
        for n, token in ((1, "t"), (2, ""))
    ]
    server.script("ListExecutions", *pages)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(client.list(states=[flowmesh.ExecutionState.FAILED], labels={"a": "b"}, created_after=since))
    requests = [call.request for call in server.received["ListExecutions"]]
    assert [item.execution_id for item in found] == ["e1", "e2"]
    assert [request.page_token for request in requests] == ["", "t"]
    assert list(requests[0].states) == [execution.EXECUTION_STATE_FAILED]
    assert requests[0].created_after.ToDatetime(tzinfo=UTC) == since


def test_validate_register_and_get_workflow(server: ScriptedServer, client: flowmesh.Client) -> None:
    refused = submission.ValidateWorkflowResponse(
        violations=[problem_pb2.FieldViolation(field="dag", description="empty", reason="EMPTY")]
    )
    version = submission.RegisterWorkflowResponse()
    version.workflow_version.name, version.workflow_version.version = "report", 2
    full = submission.GetWorkflowResponse(workflow_version=version.workflow_version)
    full.workflow_version.workflow.CopyFrom(workflow().to_proto())
    server.script("ValidateWorkflow", refused)
    server.script("RegisterWorkflow", version)
    server.script("GetWorkflow", full)
    assert client.validate(workflow()).violations[0].reason == "EMPTY"
    assert client.register(workflow()).version == 2
    fetched = client.get_workflow("report").workflow
    assert fetched is not None
    assert fetched.to_dict() == workflow().to_dict()


def test_list_workers_workflows_and_events(server: ScriptedServer, client: flowmesh.Client) -> None:
    workers = worker_control.ListWorkersResponse()
    workers.workers.add(worker_id="w1", handlers=["a"], slots=3)
    events = orchestration.ListEventsResponse()
    events.events.add(sequence=1, type=1)
    events.events.add(sequence=2, type=999)
    versions = submission.ListWorkflowsResponse()
    versions.workflow_versions.add(name="report", version=1)
    server.script("ListWorkers", workers)
    server.script("ListEvents", events)
    server.script("ListWorkflows", versions)
    assert next(client.list_workers()).slots == 3
    kinds = [event.type for event in client.events("e1")]
    assert kinds == [flowmesh.EventType.EXECUTION_STARTED, flowmesh.EventType.UNKNOWN]
    assert next(client.list_workflows()).name == "report"


def test_cancel_says_why_and_how_long(server: ScriptedServer, client: flowmesh.Client) -> None:
    server.script(
        "CancelExecution",
        orchestration.CancelExecutionResponse(state=execution.EXECUTION_STATE_CANCELLING),
    )
    state = client.handle("e1").cancel("enough", grace=timedelta(seconds=3))
    request = server.received["CancelExecution"][0].request
    assert state is flowmesh.ExecutionState.CANCELLING
    assert request.reason == "enough"
    assert request.grace.seconds == 3
    assert request.request_id


async def test_the_async_client_does_the_same(server: ScriptedServer) -> None:
    bulk = submission.SubmitWorkflowsResponse()
    bulk.results.add(response=submission.SubmitWorkflowResponse(execution_id="e2"))
    accepted = submission.SubmitWorkflowResponse(execution_id="e1")
    server.script("SubmitWorkflow", Refusal(grpc.StatusCode.UNAVAILABLE), accepted)
    server.script("SubmitWorkflows", bulk)
    server.script("ListWorkflows", submission.ListWorkflowsResponse())
    server.script("GetExecution", Refusal(grpc.StatusCode.NOT_FOUND, "", (reason("EXECUTION_NOT_FOUND"),)))
    async with flowmesh.AsyncClient(server.address, timeout=5) as client:
        handle = await client.submit(workflow())
        assert handle.id == "e1"
        (one,) = await client.submit_many([flowmesh.Submission("report")])
        assert isinstance(one, flowmesh.AsyncExecutionHandle)
        assert [version async for version in client.list_workflows()] == []
        with pytest.raises(flowmesh.ExecutionNotFoundError):
            await handle.describe()


def test_a_client_may_be_shared_between_threads(server: ScriptedServer, client: flowmesh.Client) -> None:
    server.script("SubmitWorkflow", *[submission.SubmitWorkflowResponse(execution_id="e")] * 20)
    threads = [threading.Thread(target=client.submit, args=(workflow(),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(server.received["SubmitWorkflow"]) == 20
