"""Reading one registered workflow."""

from __future__ import annotations

from flowmesh_core.application.request_check import RequestCheck
from flowmesh_core.application.submission import workflow_not_found
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.workflow_store import RegisteredVersion, WorkflowStore


class GetWorkflow:
    """Returns a registered version with its content."""

    def __init__(self, workflows: WorkflowStore) -> None:
        """Read from `workflows`."""
        self._workflows = workflows

    async def __call__(self, namespace: str, name: str, version: int) -> tuple[RegisteredVersion, Workflow]:
        """Return the version, the newest for 0, and its workflow.

        Raises:
            WorkflowNotFound: There is none.
            InvalidRequest: A field is malformed.
            StoreUnavailable: The store does not answer.
        """
        check = RequestCheck()
        check.name("namespace", namespace)
        check.name("name", name)
        check.not_negative("version", version)
        check.refuse_if_wrong()
        found = await self._workflows.get_version(namespace, name, version)
        if found is None:
            raise workflow_not_found(namespace, name, version)
        definition = (namespace, found.digest)
        return found, (await self._workflows.definitions([definition]))[definition]
