"""Structured logs on standard error, from our code and from libraries alike."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Literal

import structlog
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

LogFormat = Literal["auto", "json", "console"]

_SECRET_NAME = re.compile(r"password|secret|token|authorization|credential|private_key", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")
_HIDDEN = "[hidden]"


def configure_logging(level: str, form: LogFormat) -> None:
    """Send everything at `level` and above to standard error.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `json` for one object per line, `console` for people, `auto` for
            people on a terminal only.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=("namespace", "execution_id")),
        add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(form))
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the span in which something is logged, when there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
        event["span_id"] = f"{span.span_id:016x}"
    return event


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values with a name that tells a secret, and passwords inside addresses."""
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = _HIDDEN
        elif isinstance(value, str):
            event[name] = _URL_PASSWORD.sub(rf"\1{_HIDDEN}@", value)
    return event


def _rendering(form: LogFormat) -> list[structlog.typing.Processor]:
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # Secrets last: what an exception says may quote an address.
    return [remove, structlog.processors.format_exc_info, hide_secrets, _renderer(form)]


def _renderer(form: LogFormat) -> structlog.typing.Processor:
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        # Plain, because the pretty one shows the values of local variables: inputs, tokens, keys.
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    return structlog.processors.JSONRenderer()
