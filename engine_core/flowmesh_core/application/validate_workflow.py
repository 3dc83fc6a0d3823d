"""Checking a workflow without storing anything."""

from __future__ import annotations

from flowmesh_core.application.rate_limit import SubmissionRateLimit
from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.application.workflow_checker import CheckedWorkflow, ReceivedWorkflow, WorkflowChecker


class ValidateWorkflow:
    """Says everything that is wrong with a workflow."""

    def __init__(self, rate_limit: SubmissionRateLimit, checker: WorkflowChecker) -> None:
        """Admit and check with these."""
        self._rate_limit = rate_limit
        self._checker = checker

    async def __call__(self, namespace: str, received: ReceivedWorkflow, client: str) -> CheckedWorkflow:
        """Return what was found; a workflow that is wrong is no error here.

        Raises:
            InvalidRequest: The namespace is malformed.
            RateLimited: The namespace or the client has used up its rate.
        """
        check = RequestCheck()
        check.name("namespace", namespace)
        check.refuse_if_wrong()
        await self._rate_limit.admit(namespace, client)
        return await self._checker.check(received)
