"""What an owner is asked to do, in the imperative."""

from __future__ import annotations

from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.record import record
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import Micros


@record(frozen=True, slots=True)
class Command:
    """The base of all commands: about which execution."""

    key: ExecutionKey


@record(frozen=True, slots=True)
class StartExecution(Command):
    """Begin an accepted execution."""


@record(frozen=True, slots=True)
class CancelExecution(Command):
    """Stop an execution; running tasks get `grace` to report."""

    reason: str
    grace: Micros


@record(frozen=True, slots=True)
class ExpireCancelGrace(Command):
    """Timer: the grace of a cancel has passed."""


@record(frozen=True, slots=True)
class TaskCommand(Command):
    """The base of commands about an attempt of a node."""

    node_id: str
    attempt: int


@record(frozen=True, slots=True)
class StartTask(TaskCommand):
    """Record that a worker runs the attempt."""

    worker_id: str
    gateway_id: str
    started_at: Micros


@record(frozen=True, slots=True)
class CompleteTask(TaskCommand):
    """Record that the handler returned."""

    output: Payload
    worker_id: str
    started_at: Micros | None


@record(frozen=True, slots=True)
class FailTask(TaskCommand):
    """Record that the attempt failed, by its handler or by a time limit."""

    failure: Failure
    worker_id: str
    started_at: Micros | None
    non_retryable: bool = False
    next_retry_delay: Micros | None = None


@record(frozen=True, slots=True)
class LoseTask(TaskCommand):
    """Record that nobody runs the attempt any more."""

    cause: LostCause


@record(frozen=True, slots=True)
class AcknowledgeTaskCancel(TaskCommand):
    """Record that the handler stopped because it was told to."""


@record(frozen=True, slots=True)
class RetryTask(TaskCommand):
    """Timer: the back-off after the failed `attempt` has passed."""


@record(frozen=True, slots=True)
class RedispatchTasks(Command):
    """Takeover: dispatch again, as new attempts, what was scheduled after `dispatched_sequence`."""

    dispatched_sequence: int
