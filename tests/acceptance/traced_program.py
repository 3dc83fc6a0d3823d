"""A user's program that exports its traces: `worker ADDRESS` works, `client ADDRESS` submits."""

from __future__ import annotations

import contextlib
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import flowmesh

role, address = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": role}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)


@flowmesh.task
def double(n: int) -> int:
    return n * 2


@flowmesh.task
async def refuse(card: str) -> None:
    raise flowmesh.TaskError(f"the card {card} is refused", error_type="CardRefused", retryable=False)


chain = flowmesh.Workflow("chain")
first = chain.node(double, id="first", n=flowmesh.Workflow.input["n"])
chain.node(double, id="second", n=first.output)

charge = flowmesh.Workflow("charge")
charge.node(refuse, id="charge", card=flowmesh.Workflow.input["card"])

if role == "worker":
    flowmesh.Worker(address, tasks=[double, refuse]).run_forever()
else:
    with flowmesh.Client(address) as client:
        client.submit(chain, {"n": 1}, execution_id="chain").result(timeout=30)
        with contextlib.suppress(flowmesh.ExecutionFailed):
            client.submit(charge, {"card": "hunter2"}, execution_id="charge").result(timeout=30)
