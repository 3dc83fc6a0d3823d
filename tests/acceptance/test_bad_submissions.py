"""Submissions that are wrong get the exact words, and lose and disturb nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowmesh.v1 import payload_pb2, policy_pb2, workflow_pb2
from flowmesh.v1 import submission_service_pb2 as pb
from tests.acceptance.calls import Calls, Refused, calling, exact, explained, node, refused, undisturbed
from tests.acceptance.calls import workflow as workflow_of

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected, undisturbed(connected):
        yield connected


def submitted(calls: Calls, workflow: workflow_pb2.Workflow, **fields: Any) -> Refused:
    given: dict[str, Any] = {"namespace": f"{calls.namespace}-bad", "workflow": workflow} | fields
    return refused(calls.submission.SubmitWorkflow, pb.SubmitWorkflowRequest(**given))


def invalid_workflow(fields: dict[str, str]) -> Refused:
    return Refused("INVALID_ARGUMENT", "INVALID_WORKFLOW", fields)


def invalid_request(fields: dict[str, str]) -> Refused:
    return Refused("INVALID_ARGUMENT", "INVALID_REQUEST", fields)


@pytest.mark.parametrize(
    ("config", "path", "reason"),
    [
        (b'{"a":', "", "BAD_JSON"),
        (b"", "", "BAD_JSON"),
        (b"{} x", "", "BAD_JSON"),
        (b'{"a": NaN}', ".a", "BAD_JSON"),
        (b'{"a": [1, -Infinity]}', ".a[1]", "BAD_JSON"),
        (b'{"a": 1e999}', ".a", "BAD_JSON"),
        (b'{"a": 1, "a": 2}', "", "BAD_JSON"),
        (b'{"a": [{"b": 1, "b": 2}]}', ".a[0]", "BAD_JSON"),
        (b'{"a": "\xff"}', "", "BAD_JSON"),
        (b'{"a": "\xc0\xaf"}', "", "BAD_JSON"),
        (b'{"a": "\\ud800"}', ".a", "BAD_JSON"),
        ("{}".encode("utf-16"), "", "BAD_JSON"),
        (b"[" * 100_000, "", "BAD_JSON"),
        (b"[" * 65 + b"]" * 65, "", "BAD_JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "", "BAD_JSON"),
        (b'"' + b"x" * (100 * MIB) + b'"', "", "LIMIT_EXCEEDED"),
        (b'{"a": "{{ input.x"}', ".a", "BAD_TEMPLATE"),
        (b'{"a": "x }}"}', ".a", "BAD_TEMPLATE"),
        (b'{"a": "{{ }}"}', ".a", "BAD_TEMPLATE"),
        (b'{"a": "{{ {{ input.x }} }}"}', ".a", "BAD_EXPRESSION"),
        (b'{"a": "{{ nowhere.x }}"}', ".a", "UNKNOWN_REFERENCE"),
        (b'{"a": "{{ a.x }}"}', ".a", "NOT_AN_ANCESTOR"),
        (b'{"a": "{{ input.x + }}"}', ".a", "BAD_EXPRESSION"),
        (b'{"a": "{{ env(1) }}"}', ".a", "BAD_EXPRESSION"),
        (b'{"a": "' + b"{{ input.x }}" * 1_001 + b'"}', ".a", "LIMIT_EXCEEDED"),
        (b'{"a": "{{ ' + b"1+" * 3_000 + b'1 }}"}', ".a", "LIMIT_EXCEEDED"),
        (b'{"a": "{{ ' + b"(" * 2_000 + b"1" + b")" * 2_000 + b' }}"}', ".a", "BAD_EXPRESSION"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_a_config(calls: Calls, config: bytes, path: str, reason: str) -> None:
    found = submitted(calls, workflow_of(node(config_payload=exact(config))))
    assert found == invalid_workflow({f"dag.nodes[0].config{path}": reason})


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("1 +", "BAD_EXPRESSION"),
        ("true\0", "BAD_EXPRESSION"),
        ("(" * 1_000 + "true" + ")" * 1_000, "BAD_EXPRESSION"),
        ("99999999999999999999 > 1", "BAD_EXPRESSION"),
        ("nowhere.x > 1", "UNKNOWN_REFERENCE"),
        ("a.x > 1", "NOT_AN_ANCESTOR"),
        ("x" * 5_000, "LIMIT_EXCEEDED"),
    ],
    ids=lambda value: value[:16],
)
def test_a_condition(calls: Calls, condition: str, reason: str) -> None:
    found = submitted(calls, workflow_of(node(condition=condition)))
    assert found == invalid_workflow({"dag.nodes[0].condition": reason})


@pytest.mark.parametrize(
    "name", ["../x", "a/../b c", "a\0b", "é", "\uff41", "a\u202e", "a\n", "-a", "a" * 256]
)
def test_names_with_path_characters_and_tricks(calls: Calls, name: str) -> None:
    workflow = workflow_of(node(name, name), name=name)
    assert submitted(calls, workflow) == invalid_workflow(
        {
            "name": "MALFORMED_NAME",
            "dag.nodes[0].id": "MALFORMED_ID",
            "dag.nodes[0].handler": "MALFORMED_HANDLER",
        }
    )
    assert submitted(calls, workflow_of(node()), execution_id=name, namespace=name) == invalid_request(
        {"namespace": "MALFORMED", "execution_id": "MALFORMED"}
    )


def test_a_graph_is_told_everything_at_once(calls: Calls) -> None:
    workflow = workflow_of(
        node("a", dependencies=["c"]),
        node("b", dependencies=["a", "nowhere"]),
        node("c", dependencies=["b", "b"]),
        node("d", dependencies=["d"]),
        node("d"),
        node("input", ""),
    )
    assert submitted(calls, workflow) == invalid_workflow(
        {
            "dag.nodes[0].dependencies[0]": "CYCLE",
            "dag.nodes[1].dependencies[1]": "UNKNOWN_DEPENDENCY",
            "dag.nodes[2].dependencies[1]": "DUPLICATE_DEPENDENCY",
            "dag.nodes[3].dependencies[0]": "SELF_DEPENDENCY",
            "dag.nodes[4].id": "DUPLICATE_NODE",
            "dag.nodes[5].id": "RESERVED_ID",
            "dag.nodes[5].handler": "REQUIRED",
        }
    )
    assert submitted(calls, workflow_pb2.Workflow()) == invalid_workflow(
        {"name": "REQUIRED", "dag.nodes": "EMPTY_GRAPH"}
    )


@pytest.mark.parametrize(
    "span",
    [Duration(seconds=-1), Duration(nanos=-1), Duration(seconds=2**62), Duration(seconds=1, nanos=2**31 - 1)],
    ids=["negative", "negative nanos", "beyond any", "too many nanos"],
)
def test_policies(calls: Calls, span: Duration) -> None:
    policy = policy_pb2.RetryPolicy(
        initial_interval=span,
        maximum_interval=span,
        backoff_coefficient=math.nan,
        maximum_attempts=2**31 - 1,
        maximum_lost=-1,
        jitter=99,  # type: ignore[arg-type]
        non_retryable_error_types=["x" * 100_000] * 3,
    )
    timeouts = policy_pb2.Timeouts(start_to_close=span, heartbeat=span)
    names = (
        "initial_interval",
        "maximum_interval",
        "backoff_coefficient",
        "maximum_attempts",
        "maximum_lost",
    )
    wrong = {f"dag.nodes[0].retry_policy.{name}": "OUT_OF_RANGE" for name in names}
    wrong["dag.nodes[0].retry_policy.non_retryable_error_types"] = "OUT_OF_RANGE"
    wrong["dag.nodes[0].retry_policy.jitter"] = "UNKNOWN_ENUM"
    wrong |= {f"dag.nodes[0].timeouts.{name}": "OUT_OF_RANGE" for name in ("start_to_close", "heartbeat")}
    assert submitted(calls, workflow_of(node(retry_policy=policy, timeouts=timeouts))) == invalid_workflow(
        wrong
    )


def test_a_config_written_by_hand_with_numbers_that_are_none(calls: Calls) -> None:
    workflow = workflow_of(node())
    workflow.dag.nodes[0].config.update({"nan": math.nan, "large": 2**53, "list": [math.inf]})
    workflow.dag.nodes[0].config.fields["nothing"].SetInParent()
    assert submitted(calls, workflow) == invalid_workflow(
        {
            "dag.nodes[0].config.nan": "NUMBER_NOT_FINITE",
            "dag.nodes[0].config.list[0]": "NUMBER_NOT_FINITE",
            "dag.nodes[0].config.large": "NUMBER_NOT_EXACT",
            "dag.nodes[0].config.nothing": "MISSING_VALUE",
        }
    )


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        (b'{"a":', "", "BAD_JSON"),
        (b"NaN", "", "BAD_JSON"),
        (b'{"a": {"b": 1, "b": 1}}', ".a", "BAD_JSON"),
        (b'"\xff"', "", "BAD_JSON"),
        (b"[" * 100_000, "", "BAD_JSON"),
        (b'"' + b"x" * (4 * MIB) + b'"', "", "LIMIT_EXCEEDED"),
    ],
    ids=["cut off", "NaN", "duplicate key", "not UTF-8", "deep", "large"],
)
def test_an_input(calls: Calls, given: bytes, field: str, reason: str) -> None:
    found = submitted(calls, workflow_of(node()), input_payload=exact(given))
    assert found == invalid_request({f"input_payload{field}": reason})


def test_remarks_count_as_size(calls: Calls) -> None:
    remarks = payload_pb2.Payload(data=b"1", metadata={str(n): "x" * MIB for n in range(5)})
    assert submitted(calls, workflow_of(node()), input_payload=remarks) == invalid_request(
        {"input_payload": "LIMIT_EXCEEDED"}
    )
    assert submitted(calls, workflow_of(node(config_payload=remarks))) == invalid_workflow(
        {"dag.nodes[0].config": "LIMIT_EXCEEDED"}
    )


def test_the_rest_of_a_request(calls: Calls) -> None:
    labels = {"k" * 64: "", "value": "v" * 5_000_000, "nul": "\0", "": "x"}
    found = submitted(calls, workflow_of(node()), request_id="r" * 256, labels=labels)
    assert found == invalid_request(
        {
            "request_id": "TOO_LONG",
            f"labels['{'k' * 64}']": "TOO_LONG",
            "labels['value']": "TOO_LONG",
            "labels['nul']": "MALFORMED",
            "labels['']": "REQUIRED",
        }
    )
    many = {str(number): "" for number in range(65)}
    assert submitted(calls, workflow_of(node()), labels=many) == invalid_request({"labels": "TOO_MANY"})
    nothing = refused(calls.submission.SubmitWorkflow, pb.SubmitWorkflowRequest())
    assert nothing == invalid_request({"workflow": "REQUIRED"})


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["garbage", "name not UTF-8"])
def test_bytes_that_are_no_message(calls: Calls, data: bytes) -> None:
    call: Any = calls.channel.unary_unary("/flowmesh.v1.SubmissionService/SubmitWorkflow")
    assert refused(call, data) == invalid_request({})


def test_a_message_and_metadata_over_what_the_server_takes(calls: Calls) -> None:
    huge = pb.SubmitWorkflowRequest(input_payload=exact(b"x" * (128 * MIB)))
    for request, metadata in ((huge, ()), (pb.SubmitWorkflowRequest(), (("x", "y" * 200_000),))):
        with pytest.raises(grpc.RpcError) as caught:
            calls.submission.SubmitWorkflow(request, metadata=metadata, timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_workflows_that_are_not_there(calls: Calls) -> None:
    reference = pb.WorkflowReference(name="nowhere")
    request = pb.SubmitWorkflowRequest(namespace=calls.namespace, workflow_reference=reference)
    missing = Refused("NOT_FOUND", "WORKFLOW_NOT_FOUND")
    assert refused(calls.submission.SubmitWorkflow, request) == missing
    assert refused(calls.submission.GetWorkflow, pb.GetWorkflowRequest(name="nowhere")) == missing
    negative = pb.GetWorkflowRequest(name="../x", version=-1)
    assert refused(calls.submission.GetWorkflow, negative) == invalid_request(
        {"name": "MALFORMED", "version": "OUT_OF_RANGE"}
    )


def test_a_bulk_of_none_and_of_too_many(calls: Calls) -> None:
    for count in (0, 1_001):
        request = pb.SubmitWorkflowsRequest(requests=[pb.SubmitWorkflowRequest()] * count)
        assert refused(calls.submission.SubmitWorkflows, request) == invalid_request(
            {"requests": "OUT_OF_RANGE"}
        )


def test_duplicates_inside_one_bulk_are_decided_one_by_one(calls: Calls) -> None:
    one, other = workflow_of(node()), workflow_of(node("b"))
    items: list[dict[str, Any]] = [
        {"workflow": one, "execution_id": "x"},
        {"workflow": one, "execution_id": "x"},
        {"workflow": other, "execution_id": "x"},
        {"workflow": one, "request_id": "r"},
        {"workflow": one, "request_id": "r"},
        {"workflow": other, "request_id": "r"},
        {},
    ]
    namespace = calls.namespace + "-bulk"
    request = pb.SubmitWorkflowsRequest(
        requests=[pb.SubmitWorkflowRequest(namespace=namespace, **item) for item in items]
    )
    results = calls.submission.SubmitWorkflows(request, timeout=20).results
    assert [(each.problem.reason, each.response.replayed) for each in results] == [
        ("", False),
        ("", True),
        ("EXECUTION_ALREADY_EXISTS", False),
        ("", False),
        ("", True),
        ("IDEMPOTENCY_MISMATCH", False),
        ("INVALID_REQUEST", False),
    ]
    assert [each.problem.code for each in results if each.problem.reason] == [6, 3, 3]


def test_one_request_id_from_many_at_once_starts_one_execution(calls: Calls) -> None:
    requests = [
        pb.SubmitWorkflowRequest(
            namespace=calls.namespace + "-race", request_id="r", workflow=workflow_of(node(f"n{number % 2}"))
        )
        for number in range(40)
    ]

    def outcome(request: pb.SubmitWorkflowRequest) -> str | Refused:
        try:
            return str(calls.submission.SubmitWorkflow(request, timeout=20).execution_id)
        except grpc.RpcError as error:
            return explained(error)

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(outcome, requests))
    mismatch = Refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH")
    assert found.count(mismatch) == 20
    assert len({each for each in found if each != mismatch}) == 1
