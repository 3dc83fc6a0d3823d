"""Trace context, for programs that use OpenTelemetry.

A program that never imported OpenTelemetry has no tracer, so it is looked for
among the loaded modules: the SDK neither needs it nor pays for its import.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flowmesh.v1 import task_pb2

Metadata = tuple[tuple[str, str], ...]


def _active() -> bool:
    return "opentelemetry" in sys.modules


@contextlib.contextmanager
def call_span(name: str) -> Iterator[Metadata]:
    """A client span around a call; gives the metadata that carries it to the server."""
    if not _active():
        yield ()
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("flowmesh")
    with tracer.start_as_current_span(f"flowmesh.v1/{name}", kind=trace.SpanKind.CLIENT):
        yield current()


def current() -> Metadata:
    """The metadata that carries the current span to a server."""
    if not _active():
        return ()
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())


@contextlib.contextmanager
def handler_span(task: task_pb2.Task) -> Iterator[None]:
    """A span around a handler, child of the span that dispatched the task."""
    if not _active():
        yield
        return
    from opentelemetry import propagate, trace

    parent = propagate.extract({"traceparent": task.traceparent})
    tracer = trace.get_tracer("flowmesh")
    with tracer.start_as_current_span(
        task.handler, context=parent, kind=trace.SpanKind.CONSUMER, attributes=_attributes(task)
    ):
        yield


def _attributes(task: task_pb2.Task) -> Mapping[str, str | int]:
    return {
        "flowmesh.namespace": task.namespace,
        "flowmesh.execution_id": task.execution_id,
        "flowmesh.node_id": task.node_id,
        "flowmesh.attempt": task.attempt,
        "flowmesh.handler": task.handler,
        "flowmesh.workflow": task.workflow_name,
    }
