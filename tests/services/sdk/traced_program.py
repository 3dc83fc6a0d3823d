"""A program that uses OpenTelemetry: submits, runs one task, and prints its spans."""

from __future__ import annotations

import json
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import flowmesh

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)


@flowmesh.task
def double(n: int) -> int:
    worker.stop()
    return n * 2


with flowmesh.Client(sys.argv[1]) as client:
    client.submit("registered")
worker = flowmesh.Worker(sys.argv[1], tasks=[double])
worker.run_forever()
shown = [
    {
        "name": span.name,
        "trace": f"{span.context.trace_id:032x}",
        "span": f"{span.context.span_id:016x}",
        "parent": f"{span.parent.span_id:016x}" if span.parent else "",
        "attributes": dict(span.attributes or {}),
    }
    for span in spans.get_finished_spans()
    if span.context is not None
]
sys.stdout.write(json.dumps(shown))
