"""Reads `google.rpc.Status` out of a failed call, with protobuf alone.

The messages are declared here under other full names in a pool of their own,
so they cannot clash with googleapis-common-protos in the same process. That is
done with the first error: what it takes is slow to import.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from flowmesh._errors import ErrorFacts, FieldViolation, ServiceError, service_error

if TYPE_CHECKING:
    import grpc
    from google.protobuf import descriptor_pb2

    from flowmesh.v1 import problem_pb2

_DETAILS_KEY: Final = "grpc-status-details-bin"
_PACKAGE: Final = "flowmesh.sdk.rpc"
# Message name -> fields in the order of their numbers; a trailing * means repeated.
_MESSAGES: Final = {
    "Detail": (("type_url", "string"), ("value", "bytes")),
    "Status": (("code", "int32"), ("message", "string"), ("details", "Detail*")),
    "Entry": (("key", "string"), ("value", "string")),
    "ErrorInfo": (("reason", "string"), ("domain", "string"), ("metadata", "Entry*")),
    "Violation": (("field", "string"), ("description", "string"), ("reason", "string")),
    "BadRequest": (("field_violations", "Violation*"),),
    "Span": (("seconds", "int64"), ("nanos", "int32")),
    "RetryInfo": (("retry_delay", "Span"),),
    "ResourceInfo": (("resource_type", "string"), ("resource_name", "string")),
}


def _declare(target: descriptor_pb2.FieldDescriptorProto, name: str, number: int, kind: str) -> None:
    target.name, target.number = name, number
    target.label = target.LABEL_REPEATED if kind.endswith("*") else target.LABEL_OPTIONAL
    bare = kind.rstrip("*")
    if bare in _MESSAGES:
        target.type, target.type_name = target.TYPE_MESSAGE, f".{_PACKAGE}.{bare}"
    else:
        target.type = target.Type.Value(f"TYPE_{bare.upper()}")


@functools.cache
def _classes() -> dict[str, type[Any]]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="flowmesh/sdk/rpc.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            _declare(declared.field.add(), field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _details(data: bytes) -> dict[str, Any]:
    """The known details of an encoded status, by the name of their type."""
    from google.protobuf.message import DecodeError

    classes = _classes()
    try:
        found = classes["Status"].FromString(data).details
        named = [(detail.type_url.rpartition(".")[2], detail.value) for detail in found]
        return {name: classes[name].FromString(value) for name, value in named if name in classes}
    except DecodeError:
        return {}


def _seconds(span: Any) -> float:  # noqa: ANN401 - a message made at run time
    return float(span.seconds) + float(span.nanos) / 1e9


def _facts(code: str, text: str, data: bytes) -> ErrorFacts:
    details = _details(data)
    classes = _classes()
    info = details.get("ErrorInfo") or classes["ErrorInfo"]()
    resource = details.get("ResourceInfo") or classes["ResourceInfo"]()
    bad = details.get("BadRequest") or classes["BadRequest"]()
    retry = details.get("RetryInfo")
    return ErrorFacts(
        code=code,
        message=text,
        reason=info.reason,
        metadata={entry.key: entry.value for entry in info.metadata},
        violations=tuple(FieldViolation(v.field, v.description, v.reason) for v in bad.field_violations),
        retry_after=None if retry is None else _seconds(retry.retry_delay),
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )


def error_of_call(error: grpc.RpcError) -> ServiceError:
    """The typed error of a failed call, sync or async."""
    call: Any = error
    trailing = call.trailing_metadata() or ()
    data = next((value for key, value in trailing if key == _DETAILS_KEY), b"")
    return service_error(_facts(call.code().name, call.details() or "", data))


def error_of_problem(problem: problem_pb2.Problem) -> ServiceError:
    """The typed error of one refused item of a bulk call."""
    retry = problem.retry_delay.ToTimedelta().total_seconds() if problem.HasField("retry_delay") else None
    violations = tuple(FieldViolation(v.field, v.description, v.reason) for v in problem.field_violations)
    return service_error(
        ErrorFacts(
            code=_code_name(problem.code),
            message=problem.message,
            reason=problem.reason,
            metadata=dict(problem.metadata),
            violations=violations,
            retry_after=retry,
        )
    )


def _code_name(number: int) -> str:
    import grpc

    return next((code.name for code in grpc.StatusCode if code.value[0] == number), "UNKNOWN")
