"""Reading what is not there, or with tokens that nobody gave, gets the exact words."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh.v1 import submission_service_pb2 as submission_pb
from flowmesh.v1 import worker_control_service_pb2 as worker_pb
from tests.acceptance.calls import Calls, Refused, calling, node, refused, undisturbed, workflow

MISSING = Refused("NOT_FOUND", "EXECUTION_NOT_FOUND")
ON_ONE_EXECUTION: dict[str, Any] = {
    "GetExecution": pb.GetExecutionRequest,
    "WatchExecution": pb.WatchExecutionRequest,
    "CancelExecution": pb.CancelExecutionRequest,
    "ListEvents": pb.ListEventsRequest,
}
one_execution = pytest.mark.parametrize("method", ON_ONE_EXECUTION)


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected, undisturbed(connected):
        yield connected


@pytest.fixture(scope="module")
def ended(calls: Calls) -> str:
    """An execution that has ended."""
    execution_id = calls.submit(workflow(node()), execution_id="ended")
    calls.complete(calls.take().task_token)
    return execution_id


def invalid(fields: dict[str, str]) -> Refused:
    return Refused("INVALID_ARGUMENT", "INVALID_REQUEST", fields)


@one_execution
def test_an_execution_that_is_not_there(calls: Calls, ended: str, method: str) -> None:
    request, call = ON_ONE_EXECUTION[method], getattr(calls.orchestration, method)

    assert refused(call, request(namespace=calls.namespace, execution_id="nowhere")) == MISSING
    assert refused(call, request(namespace=f"{calls.namespace}-other", execution_id=ended)) == MISSING
    assert refused(call, request(execution_id=ended)) == MISSING, "no namespace is the default one"


@one_execution
@pytest.mark.parametrize("identity", ["", "../x", "a\0", "\uff41", "é" * 300, "x" * 100_000])
def test_an_id_that_no_execution_can_have(calls: Calls, method: str, identity: str) -> None:
    request = ON_ONE_EXECUTION[method](execution_id=identity)
    found = refused(getattr(calls.orchestration, method), request)
    assert found == invalid({"execution_id": "MALFORMED"})


def resumed(calls: Calls, execution_id: str, token: str) -> Refused:
    request = pb.WatchExecutionRequest(
        namespace=calls.namespace, execution_id=execution_id, resume_token=token
    )
    return refused(calls.orchestration.WatchExecution, request)


@pytest.mark.parametrize("token", ["junk", "é", "x" * 5_000, "AA", "\0", "===="])
def test_a_resume_token_that_is_none(calls: Calls, ended: str, token: str) -> None:
    assert resumed(calls, ended, token) == Refused("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda raw: b"\x7f" + raw[1:], Refused("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN")),
        (lambda raw: raw + b"\0", Refused("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN")),
        (lambda raw: raw[:-1], Refused("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN")),
        (lambda raw: raw[:1] + b"\x7f" + raw[2:], Refused("OUT_OF_RANGE", "RESUME_TOKEN_IN_FUTURE")),
    ],
    ids=["of another version", "longer", "cut off", "from the future"],
)
def test_a_resume_token_that_was_changed(
    calls: Calls, ended: str, change: Callable[[bytes], bytes], expected: Refused
) -> None:
    raw = urlsafe_b64decode(token_of(calls, ended) + "==")
    token = urlsafe_b64encode(change(raw)).decode().rstrip("=")
    assert resumed(calls, ended, token) == expected


def test_a_resume_token_of_another_execution(calls: Calls, ended: str) -> None:
    other = calls.submit(workflow(node()))
    calls.complete(calls.take().task_token)
    found = resumed(calls, other, token_of(calls, ended))
    assert found == Refused("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN")


def token_of(calls: Calls, execution_id: str) -> str:
    request = pb.WatchExecutionRequest(namespace=calls.namespace, execution_id=execution_id)
    *_, last = calls.orchestration.WatchExecution(request, timeout=20)
    return str(last.resume_token)


@pytest.mark.parametrize("token", ["x", "!!!", "é", "AAAA", "\0", "a" * 5_000, "=" * 4])
def test_a_page_token_that_is_none(calls: Calls, ended: str, token: str) -> None:
    lists: list[tuple[Any, Any]] = [
        (calls.orchestration.ListExecutions, pb.ListExecutionsRequest()),
        (
            calls.orchestration.ListEvents,
            pb.ListEventsRequest(namespace=calls.namespace, execution_id=ended),
        ),
        (calls.submission.ListWorkflows, submission_pb.ListWorkflowsRequest()),
        (calls.workers.ListWorkers, worker_pb.ListWorkersRequest()),
    ]
    for call, request in lists:
        request.page_token = token
        assert refused(call, request) == invalid({"page_token": "INVALID_PAGE_TOKEN"})


def test_a_page_token_of_another_list(calls: Calls, ended: str) -> None:
    request = pb.ListEventsRequest(namespace=calls.namespace, execution_id=ended, page_size=1)
    token = calls.orchestration.ListEvents(request, timeout=20).next_page_token
    assert token
    other = pb.ListExecutionsRequest(namespace=calls.namespace, page_token=token)
    assert refused(calls.orchestration.ListExecutions, other) == invalid({"page_token": "INVALID_PAGE_TOKEN"})


def test_filters(calls: Calls) -> None:
    request = pb.ListExecutionsRequest(
        namespace="../x",
        workflow_name="\0",
        states=[99, -1],  # type: ignore[list-item]
        labels={"\0": "x"},
        created_after=Timestamp(seconds=2**62),
        created_before=Timestamp(seconds=-1, nanos=-5),
        page_size=-1,
    )
    assert refused(calls.orchestration.ListExecutions, request) == invalid(
        {
            "namespace": "MALFORMED",
            "workflow_name": "MALFORMED",
            "states[0]": "UNKNOWN_ENUM",
            "states[1]": "UNKNOWN_ENUM",
            "labels['\\x00']": "MALFORMED",
            "created_after": "OUT_OF_RANGE",
            "created_before": "OUT_OF_RANGE",
            "page_size": "OUT_OF_RANGE",
        }
    )


def test_a_namespace_without_anything_is_empty_and_no_error(calls: Calls) -> None:
    request = pb.ListExecutionsRequest(namespace="nothing-here", page_size=2**31 - 1)
    assert not calls.orchestration.ListExecutions(request, timeout=20).executions


@pytest.mark.parametrize("grace", [Duration(seconds=-1), Duration(seconds=3_601), Duration(seconds=2**62)])
def test_a_cancel(calls: Calls, ended: str, grace: Duration) -> None:
    request = pb.CancelExecutionRequest(
        namespace=calls.namespace,
        execution_id=ended,
        request_id="r" * 256,
        reason="x" * 1_001,
        grace=grace,
    )
    assert refused(calls.orchestration.CancelExecution, request) == invalid(
        {"request_id": "TOO_LONG", "reason": "TOO_LONG", "grace": "OUT_OF_RANGE"}
    )
