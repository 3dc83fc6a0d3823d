"""Turns the end of a handler into a report."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from flowmesh import _json, _payload
from flowmesh._errors import EncodingError, TaskError
from flowmesh.v1 import failure_pb2, payload_pb2, task_pb2

if TYPE_CHECKING:
    from datetime import timedelta

_MAXIMUM_MESSAGE: Final = 4_000
_MAXIMUM_TRACE: Final = 16_000


def completion(output: object, maximum_bytes: int) -> task_pb2.TaskReport:
    """The report of what a handler returned; a failure when that cannot be an output."""
    try:
        payload = _payload.to_proto(output)
    except EncodingError as error:
        return failure("OutputNotJson", str(error), retryable=False)
    if 0 < maximum_bytes < len(payload.data):
        size = f"{len(payload.data):,} bytes, at most {maximum_bytes:,} are accepted"
        return failure("OutputTooLarge", f"the output has {size}", retryable=False)
    return task_pb2.TaskReport(completion=task_pb2.TaskCompletion(output=payload))


def failure(
    error_type: str,
    message: str,
    *,
    retryable: bool = True,
    delay: timedelta | None = None,
    details: payload_pb2.Payload | None = None,
) -> task_pb2.TaskReport:
    """The report of a failure."""
    said = failure_pb2.Failure(
        error_type=error_type, message=_text(message, _MAXIMUM_MESSAGE), details=details
    )
    return task_pb2.TaskReport(
        failure=task_pb2.TaskFailure(failure=said, non_retryable=not retryable, next_retry_delay=delay)
    )


def raised(error: BaseException) -> task_pb2.TaskReport:
    """The report of an exception that a handler raised."""
    if not isinstance(error, TaskError):
        return failure(type(error).__name__, str(error), details=_trace(error))
    return failure(
        error.error_type,
        error.message,
        retryable=error.retryable,
        delay=error.next_retry_delay,
        details=_trace(error) if error.details is None else _details(error.details),
    )


def _details(value: object) -> payload_pb2.Payload:
    try:
        return _payload.to_proto(value)
    except EncodingError as error:
        return payload_pb2.Payload(data=_json.encode(f"details are {error}"))


def _trace(error: BaseException) -> payload_pb2.Payload:
    text = _text("".join(traceback.format_exception(error)), _MAXIMUM_TRACE)
    return payload_pb2.Payload(data=text.encode(), content_type="text/plain; charset=utf-8")


def _text(value: str, limit: int) -> str:
    """The end of a text, which says most of an error; surrogates cannot travel."""
    kept = value if len(value) <= limit else f"…{value[-limit:]}"
    return kept.encode(errors="backslashreplace").decode()


def cancellation() -> task_pb2.TaskReport:
    """The report of a handler that stopped because it was told to."""
    return task_pb2.TaskReport(cancellation=task_pb2.TaskCancellation())


def worker_stopped() -> task_pb2.TaskReport:
    """The report of a handler that did not end before its worker had to."""
    return failure("WorkerStopped", "the worker stopped before the handler ended")


def handed_back(token: bytes) -> task_pb2.TaskReport:
    """The report of a task that was not started."""
    report = task_pb2.TaskReport(task_token=token)
    getattr(report, "yield").SetInParent()
    return report


def stamped(report: task_pb2.TaskReport, token: bytes, began: float) -> task_pb2.TaskReport:
    """The report with its task and the time when the handler began, in seconds since 1970."""
    report.task_token = token
    report.start_time.FromMicroseconds(round(began * 1e6))
    return report
