"""Who calls, and about what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace

from flowmesh_core.domain.identity import MAXIMUM_ID_LENGTH

if TYPE_CHECKING:
    from typing import Any

    from grpc.aio import ServicerContext


def client_of(context: ServicerContext[Any, Any]) -> str:
    """Return the address of the caller without its port, which changes with every connection."""
    scheme, _, rest = context.peer().partition(":")
    return rest.rpartition(":")[0] if scheme in {"ipv4", "ipv6"} else scheme


def concerns(namespace: str, execution_id: str) -> None:
    """Let the span and the logs of the call that is being served name an execution."""
    # As callers wrote it: nobody has checked it yet.
    names = {"namespace": namespace[:MAXIMUM_ID_LENGTH], "execution_id": execution_id[:MAXIMUM_ID_LENGTH]}
    structlog.contextvars.bind_contextvars(**names)
    trace.get_current_span().set_attributes({f"flowmesh.{name}": value for name, value in names.items()})


def current_traceparent() -> str:
    """Return the W3C trace context of the call that is being served, or nothing."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
