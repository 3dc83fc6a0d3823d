from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from flowmesh.v1 import submission_service_pb2 as pb
from flowmesh_core.domain.commands import StartExecution
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.states import ExecutionStatus
from tests.services.memory_cluster import PARTITIONS, MemoryCluster, Refusal, Replica, refusal
from tests.services.submission.requests import FETCH_AND_PARSE, by_hand, with_nodes

if TYPE_CHECKING:
    from flowmesh_core.ports.execution_store import ExecutionRecord

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def _refused(one: Replica, request: pb.SubmitWorkflowRequest) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.SubmitWorkflow(request)
    return refusal(caught.value)


async def _stored(cluster: MemoryCluster, execution_id: str) -> ExecutionRecord:
    record = await cluster.executions.get(ExecutionKey("default", execution_id))
    assert record is not None
    return record


async def test_a_request_written_by_hand_is_stored_and_started(cluster: MemoryCluster, one: Replica) -> None:
    request = by_hand(
        workflow=FETCH_AND_PARSE,
        input={"url": "u", "big": 2**52, "half": 0.5, "none": None},
        labels={"a": "b"},
    )
    answer = await one.submission.SubmitWorkflow(request)
    record = await _stored(cluster, answer.execution_id)
    workflow = cluster.database.definitions["default", record.workflow_digest]
    assert not answer.replayed
    assert (record.status, record.workflow_name) == (ExecutionStatus.PENDING, "report")
    assert json.loads(record.input.data) == {"url": "u", "big": 2**52, "half": 0.5, "none": None}
    assert record.labels == {"a": "b"}
    assert workflow.nodes[0].config is not None
    assert json.loads(workflow.nodes[0].config.data) == {"url": "{{ input.url }}", "retries": 3}


async def test_the_owner_of_the_partition_is_told(cluster: MemoryCluster, one: Replica) -> None:
    await cluster.commands.open(range(PARTITIONS))
    answer = await one.submission.SubmitWorkflow(by_hand(workflow=FETCH_AND_PARSE))
    key = ExecutionKey("default", answer.execution_id)
    (delivered,) = await cluster.commands.receive(range(PARTITIONS), limit=10, wait=5.0)
    assert delivered.envelope.command == StartExecution(key)
    assert delivered.envelope.partition == partition_of(key, PARTITIONS)


async def test_it_is_accepted_while_the_transport_is_down(cluster: MemoryCluster, one: Replica) -> None:
    cluster.transport.available = False
    answer = await one.submission.SubmitWorkflow(by_hand(workflow=FETCH_AND_PARSE))
    assert (await _stored(cluster, answer.execution_id)).status is ExecutionStatus.PENDING


async def test_a_repeat_answers_what_the_first_call_answered(one: Replica) -> None:
    request = by_hand(workflow=FETCH_AND_PARSE, request_id="r1", input=[1])
    first = await one.submission.SubmitWorkflow(request)
    again = await one.submission.SubmitWorkflow(request)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.execution_id == again.execution_id


@pytest.mark.parametrize(
    "change",
    [
        {"input": [2]},
        {"labels": {"a": "b"}},
        {"execution_id": "chosen"},
        {"workflow": {**FETCH_AND_PARSE, "name": "other"}},
    ],
)
async def test_a_request_id_with_other_content_is_refused(one: Replica, change: dict[str, Any]) -> None:
    fields = {"workflow": FETCH_AND_PARSE, "request_id": "r1", "input": [1]}
    first = await one.submission.SubmitWorkflow(by_hand(**fields))
    refused = await _refused(one, by_hand(**(fields | change)))
    assert (refused.code, refused.reason) == (INVALID, "IDEMPOTENCY_MISMATCH")
    assert refused.metadata == {"request_id": "r1", "execution_id": first.execution_id}


async def test_an_execution_id_is_chosen_once(one: Replica) -> None:
    fields = {"workflow": FETCH_AND_PARSE, "execution_id": "mine"}
    first = await one.submission.SubmitWorkflow(by_hand(**fields))
    again = await one.submission.SubmitWorkflow(by_hand(**fields))
    refused = await _refused(one, by_hand(**fields, input="other"))
    assert (first.execution_id, first.replayed, again.replayed) == ("mine", False, True)
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EXECUTION_ALREADY_EXISTS")


async def test_every_problem_is_told_at_once(one: Replica) -> None:
    request = with_nodes(
        {"id": "a", "dependencies": ["c"]},
        {"id": "b", "dependencies": ["a", "nobody"], "config": {"n": 2**53}},
        {"id": "c", "dependencies": ["b"], "handler": "bad handler", "retry_policy": {"jitter": 7}},
    )
    request.labels["k"] = "v" * 256
    request.workflow.dag.nodes[0].timeouts.start_to_close.seconds = -1
    request.workflow.dag.nodes[0].config_payload.data = b'{"a": 1, "a": 2}'
    refused = await _refused(one, request)
    assert (refused.code, refused.reason) == (INVALID, "INVALID_WORKFLOW")
    assert refused.fields == {
        "dag.nodes[0].timeouts.start_to_close": "OUT_OF_RANGE",
        "dag.nodes[1].config.n": "NUMBER_NOT_EXACT",
        "dag.nodes[2].retry_policy.jitter": "UNKNOWN_ENUM",
        "dag.nodes[0].config": "BAD_JSON",
        "dag.nodes[1].dependencies[1]": "UNKNOWN_DEPENDENCY",
        "dag.nodes[2].handler": "MALFORMED_HANDLER",
        "dag.nodes[0].dependencies[0]": "CYCLE",
        "labels['k']": "TOO_LONG",
    }


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (b"{", "dag.nodes[0].config"),
        (b'{"a": NaN}', "dag.nodes[0].config.a"),
        (b'{"a": 1, "a": 2}', "dag.nodes[0].config"),
        (b'{"a": "\xff"}', "dag.nodes[0].config"),
        (b"[" * 10_000 + b"]" * 10_000, "dag.nodes[0].config"),
        (b'{"a": "{{ input.x"}', "dag.nodes[0].config.a"),
    ],
)
async def test_configs_that_mean_nothing(one: Replica, config: bytes, field: str) -> None:
    request = with_nodes({})
    request.workflow.dag.nodes[0].config_payload.data = config
    refused = await _refused(one, request)
    assert (refused.code, refused.reason) == (INVALID, "INVALID_WORKFLOW")
    assert field in refused.fields


async def test_a_config_of_a_hundred_megabytes(one: Replica) -> None:
    request = with_nodes({})
    request.workflow.dag.nodes[0].config_payload.data = b'"' + b"x" * 100_000_000 + b'"'
    refused = await _refused(one, request)
    assert (refused.code, refused.reason) == (INVALID, "INVALID_WORKFLOW")
    assert refused.fields == {"dag.nodes[0].config": "LIMIT_EXCEEDED"}


async def test_a_condition_that_does_not_compile(one: Replica) -> None:
    refused = await _refused(one, with_nodes({"condition": "1 +"}))
    assert refused.fields == {"dag.nodes[0].condition": "BAD_EXPRESSION"}


async def test_two_forms_of_one_field(one: Replica) -> None:
    request = with_nodes({"config": {"a": 1}, "config_payload": {"data": "e30="}})
    refused = await _refused(one, request)
    assert refused.fields == {"dag.nodes[0].config_payload": "AMBIGUOUS_PAYLOAD"}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"namespace": "a/b"}, "namespace", "MALFORMED"),
        ({"namespace": "n" * 300}, "namespace", "MALFORMED"),
        ({"execution_id": "../etc"}, "execution_id", "MALFORMED"),
        ({"execution_id": "é"}, "execution_id", "MALFORMED"),
        ({"request_id": "r" * 256}, "request_id", "TOO_LONG"),
        ({"request_id": "a\0"}, "request_id", "MALFORMED"),
        ({"labels": {"k" * 64: "v"}}, f"labels['{'k' * 64}']", "TOO_LONG"),
        ({"labels": {"": "v"}}, "labels['']", "REQUIRED"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels", "TOO_MANY"),
        ({"input": 2**53}, "input", "NUMBER_NOT_EXACT"),
        ({"input": {"a": 1}, "input_payload": {"data": "MQ=="}}, "input_payload", "AMBIGUOUS_PAYLOAD"),
        ({"input_payload": {"data": "ew=="}}, "input_payload", "BAD_JSON"),
        ({"input_payload": {"data": ""}}, "input_payload", "BAD_JSON"),
        ({"workflow": None}, "workflow", "REQUIRED"),
    ],
)
async def test_a_field_that_is_wrong(one: Replica, fields: dict[str, Any], field: str, reason: str) -> None:
    given = {"workflow": FETCH_AND_PARSE} | fields
    refused = await _refused(
        one, by_hand(**{name: value for name, value in given.items() if value is not None})
    )
    assert (refused.code, refused.reason) == (INVALID, "INVALID_REQUEST")
    assert refused.fields == {field: reason}


async def test_an_input_that_is_not_finite(one: Replica) -> None:
    request = by_hand(workflow=FETCH_AND_PARSE)
    request.input.number_value = float("nan")
    assert (await _refused(one, request)).fields == {"input": "NUMBER_NOT_FINITE"}


async def test_an_input_of_another_type_is_opaque(cluster: MemoryCluster, one: Replica) -> None:
    request = by_hand(workflow=FETCH_AND_PARSE)
    request.input_payload.data = b"\xff\x00"
    request.input_payload.content_type = "application/octet-stream"
    answer = await one.submission.SubmitWorkflow(request)
    assert (await _stored(cluster, answer.execution_id)).input.data == b"\xff\x00"


def _nested_list(levels: int) -> bytes:
    """Return a request whose `input` is a list in a list and so on, as a malicious client writes it."""
    value = b""
    for field in (b"\x0a", b"\x32") * levels:  # ListValue.values, Value.list_value
        value = field + _varint(len(value)) + value
    return b"\x32" + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff", b"\x0a\x02\xff\xff", _nested_list(10_000)],
    ids=["truncated", "not UTF-8", "nested"],
)
async def test_bytes_that_are_no_message(one: Replica, data: bytes) -> None:
    call: Any = one.channel.unary_unary("/flowmesh.v1.SubmissionService/SubmitWorkflow")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(data)
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (INVALID, "INVALID_REQUEST")


async def test_fields_of_newer_clients_are_passed_over(one: Replica) -> None:
    request = by_hand(workflow=FETCH_AND_PARSE)
    newer = pb.SubmitWorkflowRequest.FromString(request.SerializeToString() + b"\xa2\x06\x03new")
    assert (await one.submission.SubmitWorkflow(newer)).execution_id
