"""The states of executions and nodes, in the words of the contract."""

from __future__ import annotations

import enum


class ExecutionState(enum.StrEnum):
    """Where an execution stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_terminal(self) -> bool:
        """Whether the execution has ended."""
        return self in (ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELLED)


class NodeState(enum.StrEnum):
    """Where a node stands."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_terminal(self) -> bool:
        """Whether the node has ended."""
        return self not in _LIVE


_LIVE = (NodeState.PENDING, NodeState.SCHEDULED, NodeState.RUNNING, NodeState.UNKNOWN)


class BlockedOn(enum.StrEnum):
    """What a live node waits for."""

    PARENTS = "PARENTS"
    DISPATCH_WINDOW = "DISPATCH_WINDOW"
    NO_WORKER = "NO_WORKER"
    WORKER_SLOT = "WORKER_SLOT"
    RETRY_BACKOFF = "RETRY_BACKOFF"
    UNKNOWN = "UNKNOWN"


class SkipReason(enum.StrEnum):
    """Why a node was skipped."""

    CONDITION_FALSE = "CONDITION_FALSE"
    UPSTREAM_SKIPPED = "UPSTREAM_SKIPPED"
    UNKNOWN = "UNKNOWN"


class FailureSource(enum.StrEnum):
    """Who found a failure."""

    HANDLER = "HANDLER"
    TIMEOUT = "TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    EXPRESSION = "EXPRESSION"
    UNKNOWN = "UNKNOWN"


class EventType(enum.StrEnum):
    """What an event tells of. UNKNOWN stands for types of a newer server."""

    EXECUTION_STARTED = "EXECUTION_STARTED"
    EXECUTION_CANCEL_REQUESTED = "EXECUTION_CANCEL_REQUESTED"
    EXECUTION_COMPLETED = "EXECUTION_COMPLETED"
    EXECUTION_FAILED = "EXECUTION_FAILED"
    EXECUTION_CANCELLED = "EXECUTION_CANCELLED"
    NODE_SCHEDULED = "NODE_SCHEDULED"
    NODE_STARTED = "NODE_STARTED"
    NODE_COMPLETED = "NODE_COMPLETED"
    NODE_ATTEMPT_FAILED = "NODE_ATTEMPT_FAILED"
    NODE_ATTEMPT_LOST = "NODE_ATTEMPT_LOST"
    NODE_FAILED = "NODE_FAILED"
    NODE_SKIPPED = "NODE_SKIPPED"
    NODE_UPSTREAM_FAILED = "NODE_UPSTREAM_FAILED"
    NODE_CANCELLED = "NODE_CANCELLED"
    UNKNOWN = "UNKNOWN"
