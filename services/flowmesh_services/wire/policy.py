"""Retry policies and time limits from and to protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import policy_pb2
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_services.wire.timestamp import duration_from_proto, duration_to_proto

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from flowmesh_core.domain.time import Micros

_DEFAULT_RETRIES = RetryPolicy()
_DEFAULT_TIMEOUTS = Timeouts()
_NO_RETRIES_SET = policy_pb2.RetryPolicy()


def retry_policy_from_proto(
    message: policy_pb2.RetryPolicy, field: str, violations: list[FieldViolation]
) -> RetryPolicy:
    """Return the policy with defaults for what is unset; what cannot be read is a violation."""
    if message == _NO_RETRIES_SET:
        return _DEFAULT_RETRIES
    return RetryPolicy(
        initial_interval=_span(message, "initial_interval", field, violations),
        backoff_coefficient=message.backoff_coefficient or _DEFAULT_RETRIES.backoff_coefficient,
        maximum_interval=_span(message, "maximum_interval", field, violations),
        maximum_attempts=message.maximum_attempts or _DEFAULT_RETRIES.maximum_attempts,
        non_retryable_error_types=tuple(message.non_retryable_error_types),
        jitter=_jitter(message, field, violations),
        maximum_lost=message.maximum_lost or _DEFAULT_RETRIES.maximum_lost,
    )


def retry_policy_to_proto(policy: RetryPolicy) -> policy_pb2.RetryPolicy:
    """Return the message, with every field set."""
    return policy_pb2.RetryPolicy(
        initial_interval=duration_to_proto(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=duration_to_proto(policy.maximum_interval),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.non_retryable_error_types,
        jitter=f"JITTER_{policy.jitter.name}",
        maximum_lost=policy.maximum_lost,
    )


def timeouts_from_proto(
    message: policy_pb2.Timeouts, field: str, violations: list[FieldViolation]
) -> Timeouts:
    """Return the time limits with defaults for what is unset; what cannot be read is a violation."""
    start_to_close = _DEFAULT_TIMEOUTS.start_to_close
    heartbeat = _DEFAULT_TIMEOUTS.heartbeat
    if message.HasField("start_to_close"):
        path = f"{field}.start_to_close"
        start_to_close = duration_from_proto(message.start_to_close, start_to_close, path, violations)
    if message.HasField("heartbeat"):
        path = f"{field}.heartbeat"
        heartbeat = duration_from_proto(message.heartbeat, start_to_close, path, violations)
    return Timeouts(start_to_close, heartbeat)


def timeouts_to_proto(timeouts: Timeouts) -> policy_pb2.Timeouts:
    """Return the message."""
    heartbeat = None if timeouts.heartbeat is None else duration_to_proto(timeouts.heartbeat)
    return policy_pb2.Timeouts(start_to_close=duration_to_proto(timeouts.start_to_close), heartbeat=heartbeat)


def _span(message: policy_pb2.RetryPolicy, name: str, field: str, violations: list[FieldViolation]) -> Micros:
    default: Micros = getattr(_DEFAULT_RETRIES, name)
    if not message.HasField(name):
        return default
    given: Duration = getattr(message, name)
    return duration_from_proto(given, default, f"{field}.{name}", violations)


def _jitter(message: policy_pb2.RetryPolicy, field: str, violations: list[FieldViolation]) -> Jitter:
    if not message.jitter:
        return _DEFAULT_RETRIES.jitter
    try:
        return Jitter(message.jitter)
    except ValueError:
        words = f"{message.jitter} is not a Jitter"
        violations.append(FieldViolation(f"{field}.jitter", words, "UNKNOWN_ENUM"))
        return _DEFAULT_RETRIES.jitter
