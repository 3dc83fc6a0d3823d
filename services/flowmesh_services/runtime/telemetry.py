"""Traces and metrics over OTLP, when an endpoint is configured."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

_FLUSH_SECONDS = 5.0


@asynccontextmanager
async def exporting(endpoint: str | None, resource: Mapping[str, str]) -> AsyncIterator[None]:
    """Export traces and metrics while the block runs; do nothing without an endpoint.

    Args:
        endpoint: The OTLP/gRPC address of a collector, such as `http://127.0.0.1:4317`.
        resource: What describes this process, by the names of OpenTelemetry's conventions.
    """
    if endpoint is None:
        yield
        return
    tracer_provider, meter_provider = _providers(endpoint, resource)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    try:
        yield
    finally:
        await _give_up_after(_FLUSH_SECONDS, partial(_flush, tracer_provider, meter_provider))


def _providers(endpoint: str, resource: Mapping[str, str]) -> tuple[TracerProvider, MeterProvider]:
    # These imports take a third of a second, which only those who export shall pay.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    described = Resource.create(dict(resource))
    plaintext = not endpoint.startswith("https:")
    tracer_provider = TracerProvider(resource=described, shutdown_on_exit=False)
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=plaintext)))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint, insecure=plaintext))
    return tracer_provider, MeterProvider([reader], resource=described, shutdown_on_exit=False)


def _flush(tracer_provider: TracerProvider, meter_provider: MeterProvider) -> None:
    deadline_millis = int(_FLUSH_SECONDS * 1000)
    tracer_provider.force_flush(deadline_millis)
    meter_provider.shutdown(deadline_millis)
    tracer_provider.shutdown()


async def _give_up_after(seconds: float, work: Callable[[], None]) -> None:
    """Run blocking work, and leave it behind when it takes too long.

    A thread of asyncio's own pool would hold up the end of the loop.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        with suppress(RuntimeError):  # the loop ended, nobody waits any more
            loop.call_soon_threadsafe(done.set)

    Thread(target=run, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()
