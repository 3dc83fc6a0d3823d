"""Storing a workflow under its name."""

from __future__ import annotations

from flowmesh_core.application.rate_limit import SubmissionRateLimit
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.application.workflow_checker import ReceivedWorkflow, WorkflowChecker
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.workflow_store import RegisterResult, WorkflowStore


class RegisterWorkflow:
    """Stores workflows as numbered, immutable versions."""

    def __init__(
        self,
        rate_limit: SubmissionRateLimit,
        checker: WorkflowChecker,
        workflows: WorkflowStore,
        clock: Clock,
    ) -> None:
        """Admit, check and store with these."""
        self._rate_limit = rate_limit
        self._checker = checker
        self._workflows = workflows
        self._clock = clock

    async def __call__(
        self, namespace: str, request_id: str, received: ReceivedWorkflow | None, client: str
    ) -> RegisterResult:
        """Return the version that holds the content, after the commit.

        Raises:
            InvalidWorkflow: The workflow breaks rules.
            InvalidRequest: Another field does.
            IdempotencyMismatch: The request id was used with other content.
            RateLimited: The namespace or the client has used up its rate.
            StoreUnavailable: The store does not answer.
        """
        check = RequestCheck()
        check.name("namespace", namespace)
        check.text("request_id", request_id)
        if received is None:
            check.required("workflow")
            raise check.refusal()
        await self._rate_limit.admit(namespace, client)
        checked = await self._checker.check(received)
        checked.refuse_if_wrong(tuple(check.violations))
        check.refuse_if_wrong()
        return await self._workflows.register(
            namespace, checked.workflow, checked.digest, self._clock.now(), request_id=request_id
        )
