"""Starting many executions in one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flowmesh_core.application.execution_intake import ExecutionIntake
from flowmesh_core.application.overload_guard import OverloadGuard
from flowmesh_core.application.rate_limit import SubmissionRateLimit
from flowmesh_core.application.submission import ResolvedVersions, Submission, SubmissionPreparer
from flowmesh_core.application.submit_workflow import Accepted, outcome_of
from flowmesh_core.domain.errors import FieldViolation, FlowmeshError, InvalidRequest
from flowmesh_core.ports.execution_store import NewExecution

MAXIMUM_ITEMS = 1_000


class SubmitWorkflows:
    """Starts many executions; each is decided by itself."""

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

    async def __call__(
        self, submissions: Sequence[Submission], client: str
    ) -> Sequence[Accepted | FlowmeshError]:
        """Return one outcome per submission, after the commit.

        Raises:
            InvalidRequest: There are no or too many submissions.
            RateLimited: A namespace of the submissions, or the client, has used up its rate.
            Overloaded: Too many submissions wait to be stored.
            StoreUnavailable: Nothing was stored, or it is not known.
        """
        _refuse_wrong_count(len(submissions))
        for namespace, count in Counter(submission.namespace for submission in submissions).items():
            await self._rate_limit.admit(namespace, client, count)
        resolved: ResolvedVersions = {}
        outcomes = [await self._prepare(submission, resolved) for submission in submissions]
        ready = [outcome for outcome in outcomes if isinstance(outcome, NewExecution)]
        results = iter(await self._intake.create(ready) if ready else ())
        return [
            outcome if isinstance(outcome, FlowmeshError) else outcome_of(outcome, next(results))
            for outcome in outcomes
        ]

    async def _prepare(
        self, submission: Submission, resolved: ResolvedVersions
    ) -> NewExecution | FlowmeshError:
        try:
            execution = await self._preparer.prepare(submission, resolved)
            self._guard.admit(execution)
        except FlowmeshError as error:
            return error
        return execution


def _refuse_wrong_count(count: int) -> None:
    if not 1 <= count <= MAXIMUM_ITEMS:
        words = f"must have 1 to {MAXIMUM_ITEMS:,} items; it has {count:,}"
        violation = FieldViolation("requests", words, "OUT_OF_RANGE")
        raise InvalidRequest(f"requests: {words}", violations=(violation,))
