"""What happened, in the past tense. Events are all that is stored of an execution."""

from __future__ import annotations

from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.record import record
from flowmesh_core.domain.states import LostCause, SkipReason
from flowmesh_core.domain.time import Micros


@record(frozen=True, slots=True)
class Event:
    """The base of all events.

    Attributes:
        sequence: 1 for the first event of an execution, then dense.
        at: When the owner decided it.
    """

    sequence: int
    at: Micros


@record(frozen=True, slots=True)
class ExecutionStarted(Event):
    """An owner began the execution."""


@record(frozen=True, slots=True)
class ExecutionCancelRequested(Event):
    """A cancel was accepted; running tasks have until `deadline`."""

    reason: str
    deadline: Micros


@record(frozen=True, slots=True)
class ExecutionCompleted(Event):
    """Every node ended and none failed."""


@record(frozen=True, slots=True)
class ExecutionFailed(Event):
    """Every node ended and at least one failed; `failure` is of the first that did."""

    failure: Failure


@record(frozen=True, slots=True)
class ExecutionCancelled(Event):
    """Every node ended after a cancel."""

    reason: str


@record(frozen=True, slots=True)
class NodeEvent(Event):
    """The base of events about a node, which is named by its index in the graph."""

    node: int


@record(frozen=True, slots=True)
class AttemptEvent(NodeEvent):
    """The base of events about an attempt, counted from 1."""

    attempt: int


@record(frozen=True, slots=True)
class NodeScheduled(AttemptEvent):
    """The attempt is ready for workers."""


@record(frozen=True, slots=True)
class NodeStarted(AttemptEvent):
    """A worker runs the attempt, reached through `gateway_id`."""

    worker_id: str
    gateway_id: str
    started_at: Micros


@record(frozen=True, slots=True)
class NodeCompleted(AttemptEvent):
    """The handler returned `output`."""

    output: Payload
    worker_id: str
    started_at: Micros | None


@record(frozen=True, slots=True)
class NodeAttemptFailed(AttemptEvent):
    """The attempt failed; another is due at `next_attempt_at`."""

    failure: Failure
    worker_id: str
    started_at: Micros | None
    next_attempt_at: Micros


@record(frozen=True, slots=True)
class NodeAttemptLost(AttemptEvent):
    """The attempt ended without a verdict; a `NodeScheduled` follows at once."""

    cause: LostCause


@record(frozen=True, slots=True)
class NodeFailed(AttemptEvent):
    """The node ended as failed; attempt 0 means that it was never scheduled."""

    failure: Failure
    worker_id: str
    started_at: Micros | None


@record(frozen=True, slots=True)
class NodeSkipped(NodeEvent):
    """The node is not needed."""

    reason: SkipReason


@record(frozen=True, slots=True)
class NodeUpstreamFailed(NodeEvent):
    """A node that this one depends on failed."""


@record(frozen=True, slots=True)
class NodeCancelled(AttemptEvent):
    """The node was cancelled; attempt 0 means that it was never scheduled."""


def user_bytes(event: Event) -> int:
    """Return about how many bytes of user data an event holds: an output, or a failure."""
    if isinstance(event, NodeCompleted):
        return event.output.size
    if isinstance(event, ExecutionFailed | NodeAttemptFailed | NodeFailed):
        return event.failure.size
    return 0
