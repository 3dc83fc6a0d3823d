"""The words for where executions and nodes stand; numbers as in the protobuf enums."""

from __future__ import annotations

from enum import IntEnum


class ExecutionStatus(IntEnum):
    """Where an execution stands."""

    PENDING = 1
    RUNNING = 2
    CANCELLING = 3
    COMPLETED = 4
    FAILED = 5
    CANCELLED = 6

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows."""
        return self >= ExecutionStatus.COMPLETED


class NodeStatus(IntEnum):
    """Where a node stands."""

    PENDING = 1
    SCHEDULED = 2
    RUNNING = 3
    COMPLETED = 4
    FAILED = 5
    CANCELLED = 6
    SKIPPED = 7
    UPSTREAM_FAILED = 8

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows."""
        return self >= NodeStatus.COMPLETED


class BlockedOn(IntEnum):
    """What a live node waits for."""

    NOTHING = 0
    PARENTS = 1
    DISPATCH_WINDOW = 2
    NO_WORKER = 3
    WORKER_SLOT = 4
    RETRY_BACKOFF = 5


class SkipReason(IntEnum):
    """Why a node was skipped."""

    CONDITION_FALSE = 1
    UPSTREAM_SKIPPED = 2


class FailureSource(IntEnum):
    """Who found a failure."""

    HANDLER = 1
    TIMEOUT = 2
    WORKER_LOST = 3
    EXPRESSION = 4


class LostCause(IntEnum):
    """Why an attempt ended without a verdict of its handler."""

    WORKER_LOST = 1
    """The worker or its gateway is gone; counts against `maximum_lost`."""
    YIELDED = 2
    """The worker handed it back unstarted; counts against nothing."""
    REDISPATCHED = 3
    """A new owner cannot know whether it was ever sent; counts against nothing."""
