from __future__ import annotations

import json
import math

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from flowmesh.v1 import payload_pb2
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_services.wire.payload import (
    json_from_value,
    payload_from_proto,
    payload_from_struct,
    payload_to_proto,
)

EXACT = 2**53 - 1
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-EXACT, EXACT)
    | st.floats(-1e15, 1e15, allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(message: payload_pb2.Payload) -> tuple[Payload, list[FieldViolation]]:
    violations: list[FieldViolation] = []
    return payload_from_proto(message, "output", violations), violations


def value_of(plain: object) -> struct_pb2.Value:
    return json_format.ParseDict(plain, struct_pb2.Value())  # type: ignore[arg-type]


@given(st.binary(), st.sampled_from(["", JSON, "image/png"]), st.dictionaries(st.text(), st.text()))
def test_bytes_are_never_rewritten(data: bytes, content_type: str, metadata: dict[str, str]) -> None:
    message = payload_pb2.Payload(data=data, content_type=content_type, metadata=metadata)
    payload, violations = read(message)
    assert (payload.data, payload.content_type, violations) == (data, content_type or JSON, [])
    assert payload_to_proto(payload).metadata == metadata
    assert read(payload_to_proto(payload)) == (payload, [])


@given(JSON_VALUES)
def test_the_json_form_means_the_same_value(plain: object) -> None:
    violations: list[FieldViolation] = []
    text = json_from_value(value_of(plain), "input", violations)
    assert json.loads(text) == plain
    assert violations == []


@pytest.mark.parametrize(
    ("number", "text"), [(3.0, b"3"), (-0.0, b"0"), (2.5, b"2.5"), (2.0**53 - 1, b"9007199254740991")]
)
def test_doubles_without_a_fraction_become_integers(number: float, text: bytes) -> None:
    assert json_from_value(struct_pb2.Value(number_value=number), "input", []) == text


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (2.0**53, "NUMBER_NOT_EXACT"),
        (-(2.0**53), "NUMBER_NOT_EXACT"),
        (1e300, "NUMBER_NOT_EXACT"),
        (math.nan, "NUMBER_NOT_FINITE"),
        (math.inf, "NUMBER_NOT_FINITE"),
    ],
)
def test_numbers_that_would_change_are_violations(number: float, reason: str) -> None:
    message = payload_pb2.Payload(json=struct_pb2.Value(number_value=number))
    _, violations = read(message)
    assert [(v.field, v.reason) for v in violations] == [("output.json", reason)]


def test_every_violation_is_named_by_its_path() -> None:
    message = struct_pb2.Struct()
    message.fields["a"].list_value.values.add().number_value = math.nan
    message.fields["b"].struct_value.fields["c"].number_value = 1e17
    message.fields["d"].SetInParent()
    violations: list[FieldViolation] = []
    payload_from_struct(message, "dag.nodes[3].config", violations)
    assert {(v.field, v.reason) for v in violations} == {
        ("dag.nodes[3].config.a[0]", "NUMBER_NOT_FINITE"),
        ("dag.nodes[3].config.b.c", "NUMBER_NOT_EXACT"),
        ("dag.nodes[3].config.d", "MISSING_VALUE"),
    }


def test_deep_nesting_is_a_violation() -> None:
    message = innermost = struct_pb2.Value()
    for _ in range(201):
        innermost = innermost.list_value.values.add()
    innermost.null_value = struct_pb2.NULL_VALUE
    violations: list[FieldViolation] = []
    json_from_value(message, "input", violations)
    assert [v.reason for v in violations] == ["NESTING_TOO_DEEP"]


def test_data_and_json_exclude_each_other() -> None:
    message = payload_pb2.Payload(data=b"1", json=struct_pb2.Value(bool_value=True))
    assert [v.reason for v in read(message)[1]] == ["AMBIGUOUS_PAYLOAD"]


def test_json_with_another_content_type_is_a_violation() -> None:
    message = payload_pb2.Payload(content_type="text/plain", json=struct_pb2.Value(bool_value=True))
    assert [(v.field, v.reason) for v in read(message)[1]] == [("output.content_type", "AMBIGUOUS_PAYLOAD")]


def test_keys_come_out_in_one_order() -> None:
    violations: list[FieldViolation] = []
    message = struct_pb2.Struct()
    message.update({"b": 1, "a": {"d": None, "c": True}})
    assert payload_from_struct(message, "config", violations).data == b'{"a":{"c":true,"d":null},"b":1}'
