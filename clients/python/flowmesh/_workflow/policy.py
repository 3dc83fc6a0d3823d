"""Retry policies and timeouts of nodes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from flowmesh.v1 import policy_pb2

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration


class Jitter(enum.StrEnum):
    """How retry waits are spread."""

    FULL = "FULL"
    NONE = "NONE"


_JITTERS: Final[dict[int, Jitter]] = {
    policy_pb2.JITTER_FULL: Jitter.FULL,
    policy_pb2.JITTER_NONE: Jitter.NONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed attempt is tried again. None means the server's default.

    Attributes:
        maximum_attempts: All attempts together, the first included (3).
        initial_interval: The bound of the first wait (1 s).
        backoff_coefficient: What each further wait is multiplied by (2).
        maximum_interval: The largest wait (60 s).
        non_retryable_error_types: Error types, matched exactly, that are never tried again.
        jitter: How waits are spread (FULL).
        maximum_lost: How many attempts may be lost with their worker (5).
    """

    maximum_attempts: int | None = None
    initial_interval: timedelta | None = None
    backoff_coefficient: float | None = None
    maximum_interval: timedelta | None = None
    non_retryable_error_types: tuple[str, ...] = ()
    jitter: Jitter | None = None
    maximum_lost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The time limits of one attempt. None means the server's default.

    Attributes:
        start_to_close: From the start of the handler to its report (10 minutes).
        heartbeat: The longest silence between heartbeats of the handler (no limit).
    """

    start_to_close: timedelta | None = None
    heartbeat: timedelta | None = None


def retry_to_proto(policy: RetryPolicy) -> policy_pb2.RetryPolicy:
    """The policy as a message; unset stays unset."""
    message = policy_pb2.RetryPolicy(
        backoff_coefficient=policy.backoff_coefficient,
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.non_retryable_error_types,
        jitter=None if policy.jitter is None else f"JITTER_{policy.jitter}",
        maximum_lost=policy.maximum_lost,
    )
    _set(message.initial_interval, policy.initial_interval)
    _set(message.maximum_interval, policy.maximum_interval)
    return message


def retry_from_proto(message: policy_pb2.RetryPolicy) -> RetryPolicy:
    """The policy of a message; zero means unset."""
    return RetryPolicy(
        maximum_attempts=message.maximum_attempts or None,
        initial_interval=_get(message.initial_interval),
        backoff_coefficient=message.backoff_coefficient or None,
        maximum_interval=_get(message.maximum_interval),
        non_retryable_error_types=tuple(message.non_retryable_error_types),
        jitter=_JITTERS.get(message.jitter),
        maximum_lost=message.maximum_lost or None,
    )


def timeouts_to_proto(timeouts: Timeouts) -> policy_pb2.Timeouts:
    """The timeouts as a message; unset stays unset."""
    message = policy_pb2.Timeouts()
    _set(message.start_to_close, timeouts.start_to_close)
    _set(message.heartbeat, timeouts.heartbeat)
    return message


def timeouts_from_proto(message: policy_pb2.Timeouts) -> Timeouts:
    """The timeouts of a message."""
    return Timeouts(start_to_close=_get(message.start_to_close), heartbeat=_get(message.heartbeat))


def _set(target: Duration, value: timedelta | None) -> None:
    if value is not None:
        target.FromTimedelta(value)


def _get(value: Duration) -> timedelta | None:
    return value.ToTimedelta() or None


def span_text(value: timedelta) -> str:
    """A span as protobuf's JSON writes it, such as `1.5s`."""
    whole, micros = divmod(value // timedelta(microseconds=1), 1_000_000)
    return f"{whole}.{micros:06}".rstrip("0").rstrip(".") + "s"
