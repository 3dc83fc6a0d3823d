"""A collector of telemetry: OTLP over gRPC, as OpenTelemetry's own one serves it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was exported; ids are in hex, and `parent` is empty for the first of a trace."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, str | int]
    is_error: bool
    description: str


class Collector:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.metrics: dict[str, str] = {}
        """The unit of each metric."""
        self._spans: list[CollectedSpan] = []
        self._received: defaultdict[str, bytes] = defaultdict(bytes)
        self._lock = threading.Lock()

    @property
    def spans(self) -> list[CollectedSpan]:
        """The spans so far."""
        with self._lock:
            return list(self._spans)

    def received_from(self, service: str) -> bytes:
        """Everything about traces that a service sent."""
        return self._received[service]

    def take_spans(self, request: Any, _context: object) -> Any:
        """Serve TraceService.Export."""
        with self._lock:
            for each in request.resource_spans:
                service = str(_attributes(each.resource.attributes)["service.name"])
                self._received[service] += each.SerializeToString()
                self._spans += [_span(span, service) for scope in each.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def take_metrics(self, request: Any, _context: object) -> Any:
        """Serve MetricsService.Export."""
        found = {
            metric.name: metric.unit
            for each in request.resource_metrics
            for scope in each.scope_metrics
            for metric in scope.metrics
        }
        with self._lock:
            self.metrics |= found
        return metrics_service_pb2.ExportMetricsServiceResponse()


def _span(span: Any, service: str) -> CollectedSpan:
    return CollectedSpan(
        name=span.name,
        service=service,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
        description=span.status.message,
    )


def _attributes(pairs: Any) -> dict[str, str | int]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """Serve a collector on loopback, and yield it with its address.

    In threads: asyncio's gRPC belongs to the loop of the other tests.
    """
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    traces: Any = trace_service_pb2_grpc.TraceServiceServicer()
    traces.Export = collector.take_spans
    metrics: Any = metrics_service_pb2_grpc.MetricsServiceServicer()
    metrics.Export = collector.take_metrics
    untyped: tuple[Any, Any] = trace_service_pb2_grpc, metrics_service_pb2_grpc  # published without types
    untyped[0].add_TraceServiceServicer_to_server(traces, server)
    untyped[1].add_MetricsServiceServicer_to_server(metrics, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
