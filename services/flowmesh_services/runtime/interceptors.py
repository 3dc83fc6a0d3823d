"""What surrounds every call: trace context, errors as statuses, duration.

One interceptor for all three, because each costs an await per message of a stream.
"""

from __future__ import annotations

import inspect
import secrets
import time
import traceback
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from grpc_status import rpc_status
from opentelemetry import context as trace_context
from opentelemetry import metrics, propagate, trace

from flowmesh_core.domain.errors import FlowmeshError, InvalidRequest, StoreUnavailable
from flowmesh_core.ports.undecodable import UnknownSchemaVersion
from flowmesh_services.runtime.status import internal_status, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.rpc.status_pb2 import Status

    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]
    # The stubs know the behaviours of synchronous servers only.
    Behaviour = Callable[..., Any]

_log = structlog.get_logger()
_WRITTEN_BY_NEWER_CODE = StoreUnavailable(
    "what was asked for was written by a newer version of flowmesh: ask a server of that version",
    retry_after=5.0,
)
# Those of the conventions, in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds every call of a server."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("flowmesh")
        self._duration = metrics.get_meter("flowmesh").create_histogram(
            "rpc.server.call.duration", "s", explicit_bucket_boundaries_advisory=_BUCKETS
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a call, if there is one."""
        handler = await continuation(handler_call_details)
        return None if handler is None else self._wrap(handler, handler_call_details.method.lstrip("/"))

    def _wrap(self, handler: Handler, method: str) -> Handler:
        if handler.request_streaming:
            if handler.response_streaming:
                wrapped = self._streaming(handler.stream_stream, method, None)
                return grpc.stream_stream_rpc_method_handler(
                    wrapped, handler.request_deserializer, handler.response_serializer
                )
            wrapped = self._unary(handler.stream_unary, method, None)
            return grpc.stream_unary_rpc_method_handler(
                wrapped, handler.request_deserializer, handler.response_serializer
            )
        parse = handler.request_deserializer
        if handler.response_streaming:
            wrapped = self._streaming(handler.unary_stream, method, parse)
            return grpc.unary_stream_rpc_method_handler(wrapped, None, handler.response_serializer)
        wrapped = self._unary(handler.unary_unary, method, parse)
        return grpc.unary_unary_rpc_method_handler(wrapped, None, handler.response_serializer)

    def _unary(
        self, behaviour: Behaviour | None, method: str, parse: Callable[[bytes], Any] | None
    ) -> Behaviour:
        assert behaviour is not None  # noqa: S101 - a handler has the behaviour of its kind

        async def call(request: Any, context: Context) -> Any:  # noqa: ANN401
            try:
                async with self._surrounded(method, context, span=True):
                    return await behaviour(_parsed(request, parse), context)
            finally:
                del request  # the traceback of an error keeps this frame alive for long

        return call

    def _streaming(
        self, behaviour: Behaviour | None, method: str, parse: Callable[[bytes], Any] | None
    ) -> Behaviour:
        assert behaviour is not None  # noqa: S101 - a handler has the behaviour of its kind
        if not inspect.isasyncgenfunction(behaviour):
            return self._writing(behaviour, method, parse)

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            try:
                async with (
                    self._surrounded(method, context, span=False),
                    aclosing(behaviour(_parsed(request, parse), context)) as responses,
                ):
                    async for response in responses:
                        yield response
            finally:
                del request

        return call

    def _writing(self, behaviour: Behaviour, method: str, parse: Callable[[bytes], Any] | None) -> Behaviour:
        """Wrap a streaming handler that writes to its context instead of yielding."""

        async def call(request: Any, context: Context) -> None:  # noqa: ANN401
            async with self._surrounded(method, context, span=False):
                await behaviour(_parsed(request, parse), context)

        return call

    @asynccontextmanager
    async def _surrounded(self, method: str, context: Context, *, span: bool) -> AsyncIterator[None]:
        """Give a call its trace, its status and its measure.

        Streams have no span: one that lasts for days tells nothing.
        """
        started = time.perf_counter()
        token = trace_context.attach(_extracted(context))
        try:
            if span:
                with self._span(method):
                    async with _errors_as_statuses(method, context):
                        yield
            else:
                async with _errors_as_statuses(method, context):
                    yield
        finally:
            if span:  # a stream that its caller left is closed in another context, which never attached
                trace_context.detach(token)
            self._measure(method, context, time.perf_counter() - started)

    def _span(self, method: str) -> AbstractContextManager[trace.Span]:
        return self._tracer.start_as_current_span(
            method,
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": method},
            # What an exception says may quote what a caller sent.
            record_exception=False,
            set_status_on_exception=False,
        )

    def _measure(self, method: str, context: Context, seconds: float) -> None:
        code = "CANCELLED" if context.cancelled() else _code_name(context)
        attributes = {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": code}
        self._duration.record(seconds, attributes)


@asynccontextmanager
async def _errors_as_statuses(method: str, context: Context) -> AsyncIterator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except FlowmeshError as error:
        # Errors and their tracebacks form cycles, which would keep requests of many MB until they are found.
        traceback.clear_frames(error.__traceback__)
        await _abort(context, status_of(error), error.reason)
    except UnknownSchemaVersion as error:
        _log.warning("what newer code wrote was asked for", method=method, error=str(error))
        await _abort(context, status_of(_WRITTEN_BY_NEWER_CODE), _WRITTEN_BY_NEWER_CODE.reason)
    except Exception:  # noqa: BLE001 - the last place where an unforeseen failure can be told apart
        incident = secrets.token_hex(8)
        _log.exception("call failed", method=method, incident=incident)
        await _abort(context, internal_status(incident), "INTERNAL")


async def _abort(context: Context, status: Status, reason: str) -> None:
    span = trace.get_current_span()
    span.set_attributes({"error.type": reason, "rpc.response.status_code": Code.Name(status.code)})
    span.set_status(trace.StatusCode.ERROR, reason)
    await context.abort_with_status(rpc_status.to_status(status))


def _parsed(request: Any, parse: Callable[[bytes], Any] | None) -> Any:  # noqa: ANN401
    """Parse a request here, where a malformed one can be answered better than with INTERNAL."""
    if parse is None:
        return request
    try:
        return parse(request)
    except DecodeError as error:
        raise InvalidRequest("the request is not a valid protobuf message of its type") from error


def _extracted(context: Context) -> trace_context.Context:
    metadata = context.invocation_metadata()
    if metadata is None:
        return trace_context.Context()
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    if "traceparent" not in carrier:
        return trace_context.Context()
    return propagate.extract(carrier)


def _code_name(context: Context) -> str:
    """Name the status code; while nobody set one, the context has 0 instead of what its type says."""
    code: object = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode.OK.name
