"""Moments and spans from and to protobuf."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.time import SECOND, Micros

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, where protobuf's own range ends."""
_LONGEST_SECONDS = 315_576_000_000


def timestamp_to_proto(moment: Micros | None) -> Timestamp | None:
    """Return the message, or None to leave the field unset."""
    if moment is None:
        return None
    seconds, rest = divmod(moment, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def timestamp_from_proto(message: Timestamp, field: str, violations: list[FieldViolation]) -> Micros:
    """Return the moment, to the microsecond; one out of range is a violation and counts as 0."""
    if not (0 <= message.seconds <= _LAST_SECOND and 0 <= message.nanos < 1_000_000_000):
        violations.append(FieldViolation(field, "must be a moment from 1970 to 9999", "OUT_OF_RANGE"))
        return Micros(0)
    return Micros(message.seconds * SECOND + message.nanos // 1_000)


def duration_to_proto(span: Micros) -> Duration:
    """Return the message."""
    seconds, rest = divmod(span, SECOND)
    return Duration(seconds=seconds, nanos=rest * 1_000)


def duration_from_proto(
    message: Duration, default: Micros, field: str, violations: list[FieldViolation]
) -> Micros:
    """Return the span; a negative or malformed one is a violation and counts as `default`."""
    if not (0 <= message.seconds <= _LONGEST_SECONDS and 0 <= message.nanos < 1_000_000_000):
        violations.append(FieldViolation(field, "must not be negative or malformed", "OUT_OF_RANGE"))
        return default
    return Micros(message.seconds * SECOND + message.nanos // 1_000)
