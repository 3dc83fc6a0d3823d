from __future__ import annotations

from flowmesh.v1 import failure_pb2, payload_pb2
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import FailureSource
from flowmesh_services.wire.failure import failure_to_proto, handler_failure


def test_a_failure_survives_the_trip() -> None:
    failure = Failure("ValueError", "no", FailureSource.HANDLER, Payload(b"trace", "text/plain"))
    assert handler_failure(failure_to_proto(failure), "failure", []) == failure


def test_a_worker_cannot_choose_the_source() -> None:
    message = failure_pb2.Failure(source=failure_pb2.FAILURE_SOURCE_TIMEOUT, node_id="x")
    assert handler_failure(message, "failure", []) == Failure("Error", "", FailureSource.HANDLER)


def test_every_source_has_its_number() -> None:
    assert {s.name for s in FailureSource} == {
        name.removeprefix("FAILURE_SOURCE_") for name in failure_pb2.FailureSource.keys()[1:]
    }
    numbers = {int(failure_to_proto(Failure("E", "", source)).source) for source in FailureSource}
    assert numbers == {int(source) for source in FailureSource}


def test_details_are_checked_like_any_payload() -> None:
    message = failure_pb2.Failure(details=payload_pb2.Payload(data=b"1"))
    message.details.json.number_value = float("nan")
    violations: list[FieldViolation] = []
    handler_failure(message, "reports[0].failure.failure", violations)
    assert {v.field for v in violations} == {
        "reports[0].failure.failure.details",
        "reports[0].failure.failure.details.json",
    }
