"""Starting one execution."""

from __future__ import annotations

from dataclasses import dataclass

from flowmesh_core.application.execution_intake import ExecutionIntake
from flowmesh_core.application.overload_guard import OverloadGuard
from flowmesh_core.application.rate_limit import SubmissionRateLimit
from flowmesh_core.application.submission import Submission, SubmissionPreparer
from flowmesh_core.domain.errors import ExecutionAlreadyExists, FlowmeshError, IdempotencyMismatch
from flowmesh_core.ports.execution_store import CreateResult, CreateStatus, NewExecution


@dataclass(frozen=True, slots=True)
class Accepted:
    """An execution that is committed; `replayed` when an earlier call had started it."""

    execution_id: str
    replayed: bool


class SubmitWorkflow:
    """Starts one execution."""

    def __init__(
        self,
        rate_limit: SubmissionRateLimit,
        preparer: SubmissionPreparer,
        guard: OverloadGuard,
        intake: ExecutionIntake,
    ) -> None:
        """Admit, prepare and store with these."""
        self._rate_limit = rate_limit
        self._preparer = preparer
        self._guard = guard
        self._intake = intake

    async def __call__(self, submission: Submission, client: str) -> Accepted:
        """Return after the commit; see the errors of `SubmitWorkflow` in submission_service.proto."""
        await self._rate_limit.admit(submission.namespace, client)
        execution = await self._preparer.prepare(submission, {})
        self._guard.admit(execution)
        (result,) = await self._intake.create([execution])
        outcome = outcome_of(execution, result)
        if isinstance(outcome, FlowmeshError):
            raise outcome
        return outcome


def outcome_of(execution: NewExecution, result: CreateResult) -> Accepted | FlowmeshError:
    """Return what the caller is told of one stored or refused execution."""
    match result.status:
        case CreateStatus.CREATED | CreateStatus.REPLAYED:
            return Accepted(result.key.execution_id, replayed=result.status is CreateStatus.REPLAYED)
        case CreateStatus.REQUEST_MISMATCH:
            return IdempotencyMismatch(
                "the request id was used before with other content",
                metadata={"request_id": execution.request_id, "execution_id": result.key.execution_id},
            )
        case CreateStatus.EXECUTION_EXISTS:
            return ExecutionAlreadyExists(
                f"execution {execution.key} exists with other content",
                metadata={"namespace": result.key.namespace, "execution_id": result.key.execution_id},
            )
