"""What workers ask for, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.session import Offer
from flowmesh_core.domain.errors import FieldViolation, InvalidRequest, UnsupportedProtocol
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE, HANDLER_PATTERN
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_services.wire.timestamp import duration_from_proto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowmesh.v1 import worker_control_service_pb2 as pb

PROTOCOL_VERSION = 1
MAXIMUM_HANDLERS = 10_000
MAXIMUM_ITEMS = 1_000
"""Reports of a frame, tasks of a poll and heartbeats of a call."""
_DEFAULT_WAIT = Micros(20 * SECOND)
_LONGEST_WAIT = Micros(60 * SECOND)


def hello_from_proto(message: pb.Hello) -> WorkerHello:
    """Return how a worker introduces itself.

    Raises:
        InvalidRequest: A field is malformed.
        UnsupportedProtocol: It does not speak this version.
    """
    check = _checked_worker(message)
    check.labels("labels", message.labels)
    if message.slots < 1:
        _add(check, "slots", f"must be at least 1; it is {message.slots}", "OUT_OF_RANGE")
    check.refuse_if_wrong()
    if PROTOCOL_VERSION not in message.protocol_versions:
        spoken = ", ".join(map(str, message.protocol_versions[:16])) or "none"
        raise UnsupportedProtocol(
            f"this server speaks protocol version {PROTOCOL_VERSION}, the worker: {spoken}",
            metadata={"supported_versions": str(PROTOCOL_VERSION)},
        )
    return WorkerHello(
        worker_id=message.worker_id,
        offer=_offer(message),
        slots=message.slots,
        labels=tuple(sorted(message.labels.items())),
        session_id=message.session_id,
        held_tokens=tuple(dict.fromkeys(message.held_task_tokens)),
    )


def poll_from_proto(message: pb.PollTasksRequest) -> tuple[WorkerHello, int, float]:
    """Return who polls, for how many tasks at most, and how many seconds it waits.

    Raises:
        InvalidRequest: A field is malformed.
    """
    check = _checked_worker(message)
    if not 0 <= message.maximum_tasks <= MAXIMUM_ITEMS:
        words = f"must be from 0 to {MAXIMUM_ITEMS:,}; it is {message.maximum_tasks}"
        _add(check, "maximum_tasks", words, "OUT_OF_RANGE")
    wait = _DEFAULT_WAIT
    if message.HasField("wait"):
        wait = duration_from_proto(message.wait, _DEFAULT_WAIT, "wait", check.violations)
    check.span("wait", wait, _LONGEST_WAIT)
    check.refuse_if_wrong()
    maximum = message.maximum_tasks or 1
    return WorkerHello(message.worker_id, _offer(message), maximum), maximum, wait / SECOND


def at_most(field: str, count: int) -> None:
    """Refuse more items than one message may have.

    Raises:
        InvalidRequest: There are more.
    """
    if count > MAXIMUM_ITEMS:
        words = f"has {count:,} items; at most {MAXIMUM_ITEMS:,} are allowed"
        raise invalid(field, words, "TOO_MANY")


def invalid(field: str, words: str, reason: str) -> InvalidRequest:
    """Return the error about one field."""
    return InvalidRequest(f"{field}: {words}", violations=(FieldViolation(field, words, reason),))


def _checked_worker(message: pb.Hello | pb.PollTasksRequest) -> RequestCheck:
    check = RequestCheck()
    check.name("namespace", message.namespace or DEFAULT_NAMESPACE)
    if message.worker_id:
        check.text("worker_id", message.worker_id)
    else:
        check.required("worker_id")
    _check_handlers(check, message.handlers, all_handlers=message.all_handlers)
    return check


def _check_handlers(check: RequestCheck, handlers: Sequence[str], *, all_handlers: bool) -> None:
    if all_handlers:
        return
    if not handlers:
        check.required("handlers")
    if len(handlers) > MAXIMUM_HANDLERS:
        words = f"has {len(handlers):,} items; at most {MAXIMUM_HANDLERS:,} are allowed"
        _add(check, "handlers", words, "TOO_MANY")
        return
    for index, handler in enumerate(handlers):
        if not HANDLER_PATTERN.fullmatch(handler):
            _add(check, f"handlers[{index}]", "is not a name of a handler", "MALFORMED")


def _offer(message: pb.Hello | pb.PollTasksRequest) -> Offer:
    handlers = None if message.all_handlers else frozenset(message.handlers)
    return Offer(message.namespace or DEFAULT_NAMESPACE, handlers)


def _add(check: RequestCheck, field: str, words: str, reason: str) -> None:
    check.violations.append(FieldViolation(field, words, reason))
