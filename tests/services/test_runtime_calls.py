"""What surrounds every call, seen by a client of a real server."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from opentelemetry import trace

from flowmesh.v1 import orchestration_service_pb2 as messages
from flowmesh.v1 import orchestration_service_pb2_grpc as stubs
from flowmesh_core.domain.errors import (
    ExecutionClosed,
    ExecutionNotFound,
    FieldViolation,
    InvalidWorkflow,
    RateLimited,
)
from flowmesh_core.ports.undecodable import UnknownSchemaVersion
from flowmesh_services.runtime.logging import configure_logging
from flowmesh_services.runtime.role import ServedRole, Service
from flowmesh_services.runtime.server import CannotListenError, GrpcServer, ServerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NAME = "flowmesh.v1.OrchestrationService"
_TRACE = "0af7651916cd43dd8448eb211c80319c"
_MANY = 1000


_PASSING = {
    "limited": RateLimited("slow down", retry_after=1.5),
    "newer": UnknownSchemaVersion("version 9; this code writes 1"),
}


class _Servicer(stubs.OrchestrationServiceServicer):
    """Answers according to the execution id."""

    async def GetExecution(self, request: Any, context: Any) -> messages.GetExecutionResponse:  # noqa: N802
        match request.execution_id:
            case "missing":
                raise ExecutionNotFound("no execution missing", metadata={"execution_id": "missing"})
            case "closed":
                raise ExecutionClosed("the execution had ended")
            case "large":
                words = request.namespace
                raise ExecutionNotFound(f"no execution in {words[:8]}")
            case "invalid":
                violations = [FieldViolation("dag", "a → b → a", "CYCLE"), FieldViolation("x", "y", "Z")]
                raise InvalidWorkflow("2 problems", violations=violations)
            case "invalid-in-many-ways":
                violations = [FieldViolation(f"dag.nodes[{i}]", "a → b → a", "CYCLE") for i in range(_MANY)]
                raise InvalidWorkflow("→" * 5000, violations=violations)
            case "limited" | "newer" as which:
                raise _PASSING[which]
            case "broken":
                raise ValueError("the password is hunter2")
            case "aborted":
                await context.abort(grpc.StatusCode.DATA_LOSS, "said so")
            case "traced":
                span = trace.get_current_span().get_span_context()
                return messages.GetExecutionResponse(
                    execution={"execution_id": trace.format_trace_id(span.trace_id)}
                )
        return messages.GetExecutionResponse()

    async def WatchExecution(  # noqa: N802
        self, request: Any, _context: Any
    ) -> AsyncIterator[messages.WatchExecutionResponse]:
        if request.execution_id == "refused":
            raise ExecutionNotFound("no execution missing")
        yield messages.WatchExecutionResponse()
        if request.execution_id == "broken":
            raise ValueError("the password is hunter2")
        if request.execution_id == "missing":
            raise ExecutionNotFound("no execution missing")
        await asyncio.Event().wait()


def _options(listen: str = "127.0.0.1:0") -> ServerOptions:
    return ServerOptions(listen=listen, max_message_bytes=1024 * 1024)


def _role() -> ServedRole:
    def register(server: grpc.aio.Server) -> None:
        stubs.add_OrchestrationServiceServicer_to_server(_Servicer(), server)  # type: ignore[abstract]

    return ServedRole("orchestration", services=(Service(_NAME, register),))


@pytest.fixture
async def server() -> AsyncIterator[tuple[GrpcServer, str]]:
    running = GrpcServer(_options(), [_role()])
    address = await running.start()
    yield running, address
    await running.stop(0)


@pytest.fixture
async def channel(server: tuple[GrpcServer, str]) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server[1]) as opened:
        yield opened


async def _error(channel: grpc.aio.Channel, execution_id: str) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _stub(channel).GetExecution(messages.GetExecutionRequest(execution_id=execution_id))
    return caught.value


def _stub(channel: grpc.aio.Channel) -> Any:
    return stubs.OrchestrationServiceStub(channel)


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    call: Any = error  # the published types know the errors of synchronous clients only
    status = rpc_status.from_call(call)
    assert status is not None
    found = {}
    for packed in status.details:
        kind = packed.TypeName().rsplit(".", 1)[1]
        found[kind] = getattr(error_details_pb2, kind)()
        packed.Unpack(found[kind])
    return found


async def test_refused_requests_are_let_go_without_the_garbage_collector(channel: grpc.aio.Channel) -> None:
    request = messages.GetExecutionRequest(namespace="x" * 900_000, execution_id="large")
    watch = messages.WatchExecutionRequest(namespace="x" * 900_000, execution_id="refused")
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError, match="no execution in xxxxxxxx"):
                await _stub(channel).GetExecution(request)
            with pytest.raises(grpc.aio.AioRpcError, match="no execution missing"):
                await _stub(channel).WatchExecution(watch).read()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left < 1_000_000


async def test_an_error_of_the_engine_has_code_message_reason_and_metadata(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "missing")
    info = _details(error)["ErrorInfo"]
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no execution missing")
    assert (info.reason, info.domain) == ("EXECUTION_NOT_FOUND", "flowmesh")
    assert dict(info.metadata) == {"execution_id": "missing"}


async def test_what_is_missing_is_a_resource_info(channel: grpc.aio.Channel) -> None:
    resource = _details(await _error(channel, "missing"))["ResourceInfo"]
    assert (resource.resource_type, resource.resource_name) == ("flowmesh.v1.Execution", "missing")


async def test_what_does_not_hold_is_a_precondition_failure(channel: grpc.aio.Channel) -> None:
    (violation,) = _details(await _error(channel, "closed"))["PreconditionFailure"].violations
    assert (violation.type, violation.description) == ("EXECUTION_CLOSED", "the execution had ended")


async def test_violations_are_a_bad_request(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "invalid")
    first, second = _details(error)["BadRequest"].field_violations
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (first.field, first.description, first.reason) == ("dag", "a → b → a", "CYCLE")
    assert second.field == "x"


async def test_more_than_headers_hold_is_cut_and_counted(channel: grpc.aio.Channel) -> None:
    for _ in range(20):  # what exceeds a client's soft limit is refused at random
        error = await _error(channel, "invalid-in-many-ways")
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = _details(error)
    shown = len(details["BadRequest"].field_violations)
    counts = dict(details["ErrorInfo"].metadata)
    assert 0 < shown < _MANY
    assert counts == {"violations_total": str(_MANY), "violations_shown": str(shown)}


async def test_a_time_to_come_back_is_a_retry_info(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "limited")
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert _details(error)["RetryInfo"].retry_delay.ToTimedelta().total_seconds() == 1.5


async def test_an_unforeseen_failure_tells_its_incident_and_logs_the_rest(
    channel: grpc.aio.Channel, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", "json")
    error = await _error(channel, "broken")
    incident = _details(error)["ErrorInfo"].metadata["incident"]
    logged = next(json.loads(line) for line in capfd.readouterr().err.splitlines() if "call failed" in line)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(error)
    assert logged["incident"] == incident
    assert "ValueError" in logged["exception"]


async def test_what_newer_code_wrote_is_for_another_server_to_tell(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "newer")
    details = _details(error)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details["ErrorInfo"].reason == "STORE_UNAVAILABLE"
    assert details["RetryInfo"].retry_delay.seconds == 5
    assert "newer version" in str(error.details())


async def test_a_status_set_by_a_handler_passes(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "aborted")
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "said so")


async def test_a_malformed_message_is_the_callers_fault(channel: grpc.aio.Channel) -> None:
    call: Any = channel.unary_unary(f"/{_NAME}/GetExecution")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\x0a\x02\xff\xfe")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert _details(caught.value)["ErrorInfo"].reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("execution_id", "code"),
    [("broken", grpc.StatusCode.INTERNAL), ("missing", grpc.StatusCode.NOT_FOUND)],
)
async def test_a_stream_that_fails_keeps_what_it_sent(
    channel: grpc.aio.Channel, execution_id: str, code: grpc.StatusCode
) -> None:
    stream = _stub(channel).WatchExecution(messages.WatchExecutionRequest(execution_id=execution_id))
    assert await stream.read() == messages.WatchExecutionResponse()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() is code


async def test_the_callers_trace_is_continued(channel: grpc.aio.Channel) -> None:
    answer = await _stub(channel).GetExecution(
        messages.GetExecutionRequest(execution_id="traced"),
        metadata=(("traceparent", f"00-{_TRACE}-b7ad6b7169203331-01"),),
    )
    assert answer.execution.execution_id == _TRACE


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    call: Any = channel.unary_unary(f"/{_NAME}/NoSuchMethod")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", _NAME])
async def test_health_says_serving_then_not_serving_before_the_end(
    server: tuple[GrpcServer, str], channel: grpc.aio.Channel, service: str
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    await server[0].announce_stop()
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services(channel: grpc.aio.Channel) -> None:
    untyped: Any = reflection_pb2_grpc
    reflection = untyped.ServerReflectionStub(channel)
    stream = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    answer = await stream.read()
    names = {service.name for service in answer.list_services_response.service}
    assert {_NAME, "grpc.health.v1.Health"} <= names


async def test_a_taken_port_is_refused_instead_of_shared(server: tuple[GrpcServer, str]) -> None:
    other = GrpcServer(_options(server[1]), [_role()])
    with pytest.raises(CannotListenError, match="cannot listen on 127"):
        await other.start()
    await other.stop(0)


async def test_a_message_over_the_limit_is_refused(channel: grpc.aio.Channel) -> None:
    error = await _error(channel, "x" * (2 * 1024 * 1024))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
