"""What can be wrong with the retry policy and time limits of a node."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flowmesh_core.domain.identity import MAXIMUM_ID_LENGTH
from flowmesh_core.domain.limits import DAY, Limits
from flowmesh_core.domain.policy import RetryPolicy, Timeouts
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.violations import Violations
from flowmesh_core.domain.workflow import Node

_MOST_ERROR_TYPES = 100
_DEFAULT_POLICY = RetryPolicy()
_DEFAULT_TIMEOUTS = Timeouts()


def check_policies(field: str, node: Node, limits: Limits, violations: Violations) -> None:
    """Add what is wrong with the policies of the node at `field`."""
    if node.retry_policy != _DEFAULT_POLICY:
        for name, words in _retry_problems(node.retry_policy, limits):
            violations.add(f"{field}.retry_policy.{name}", words, "OUT_OF_RANGE")
    if node.timeouts != _DEFAULT_TIMEOUTS:
        for name, words in _timeout_problems(node.timeouts, limits):
            violations.add(f"{field}.timeouts.{name}", words, "OUT_OF_RANGE")


def _retry_problems(policy: RetryPolicy, limits: Limits) -> Iterator[tuple[str, str]]:
    yield from _duration("initial_interval", policy.initial_interval, limits.retry_interval)
    yield from _duration("maximum_interval", policy.maximum_interval, limits.retry_interval)
    if not (math.isfinite(policy.backoff_coefficient) and policy.backoff_coefficient >= 1):
        yield "backoff_coefficient", "must be at least 1"
    if not 1 <= policy.maximum_attempts <= limits.attempts:
        yield "maximum_attempts", f"must be 1 to {limits.attempts:,}"
    if len(policy.non_retryable_error_types) > _MOST_ERROR_TYPES:
        yield "non_retryable_error_types", f"at most {_MOST_ERROR_TYPES} are allowed"
    elif any(len(name) > MAXIMUM_ID_LENGTH for name in policy.non_retryable_error_types):
        yield "non_retryable_error_types", f"each may have {MAXIMUM_ID_LENGTH} characters"
    if not 0 <= policy.maximum_lost <= limits.attempts:
        yield "maximum_lost", f"must be 0 to {limits.attempts:,}"


def _timeout_problems(timeouts: Timeouts, limits: Limits) -> Iterator[tuple[str, str]]:
    yield from _duration("start_to_close", timeouts.start_to_close, limits.start_to_close)
    if timeouts.heartbeat is not None:
        yield from _duration("heartbeat", timeouts.heartbeat, limits.start_to_close)


def _duration(name: str, span: Micros, maximum: Micros) -> Iterator[tuple[str, str]]:
    if span <= 0:
        yield name, "must be longer than nothing"
    elif span > maximum:
        yield name, f"must be at most {maximum // DAY:,} days"
