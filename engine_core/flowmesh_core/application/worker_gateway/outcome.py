"""How an attempt ended, in the words of a worker."""

from __future__ import annotations

from typing import NamedTuple

from flowmesh_core.application.worker_gateway.task_token import TaskClaims
from flowmesh_core.domain.commands import (
    AcknowledgeTaskCancel,
    CompleteTask,
    FailTask,
    LoseTask,
    TaskCommand,
)
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.record import record
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import Micros


@record(frozen=True, slots=True)
class Completed:
    """The handler returned `output`."""

    output: Payload


@record(frozen=True, slots=True)
class Failed:
    """The handler failed; the other fields are those of `FailTask`."""

    failure: Failure
    non_retryable: bool = False
    next_retry_delay: Micros | None = None


@record(frozen=True, slots=True)
class Stopped:
    """The handler stopped because it was told to."""


@record(frozen=True, slots=True)
class Yielded:
    """The task is handed back unstarted."""


Outcome = Completed | Failed | Stopped | Yielded


class TaskReport(NamedTuple):
    """A worker's report; `started_at` is None when it did not say."""

    token: bytes
    outcome: Outcome
    started_at: Micros | None


def command_for(
    outcome: Outcome, claims: TaskClaims, worker_id: str, started_at: Micros | None
) -> TaskCommand:
    """Return what the owner is asked to record."""
    match outcome:
        case Completed(output):
            return CompleteTask(*claims.identity, output, worker_id, started_at)
        case Failed(failure, non_retryable, delay):
            return FailTask(*claims.identity, failure, worker_id, started_at, non_retryable, delay)
        case Stopped():
            return AcknowledgeTaskCancel(*claims.identity)
        case Yielded():
            return LoseTask(*claims.identity, LostCause.YIELDED)
