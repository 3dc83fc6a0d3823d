"""Definitions of workflows in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.domain.errors import IdempotencyMismatch
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.workflow_store import RegisteredVersion, RegisterResult, VersionPosition


class MemoryWorkflowStore:
    """The twin of the `WorkflowStore` port."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def register(
        self,
        namespace: str,
        workflow: Workflow,
        digest: str,
        created_at: Micros,
        *,
        request_id: str = "",
    ) -> RegisterResult:
        """See `WorkflowStore.register`."""
        registered = self._database.registrations.get((namespace, request_id))
        if registered is not None:
            if (registered.version.name, registered.version.digest) != (workflow.name, digest):
                raise IdempotencyMismatch(
                    f"request id {request_id} was used with another workflow",
                    metadata={"request_id": request_id},
                )
            return registered
        self._database.definitions.setdefault((namespace, digest), workflow)
        result = self._next(namespace, workflow.name, digest, created_at)
        if request_id:
            self._database.registrations[namespace, request_id] = result
        return result

    async def get_version(self, namespace: str, name: str, version: int) -> RegisteredVersion | None:
        """See `WorkflowStore.get_version`."""
        versions = self._database.versions.get((namespace, name), [])
        wanted = version or len(versions)
        return versions[wanted - 1] if 0 < wanted <= len(versions) else None

    async def list_versions(
        self, namespace: str, *, name: str, after: VersionPosition | None, limit: int
    ) -> Sequence[RegisteredVersion]:
        """See `WorkflowStore.list_versions`."""
        position = ("", 0) if after is None else (after.name, after.version)
        matching = (
            version
            for owner, versions in sorted(self._database.versions.items(), key=lambda item: item[0])
            if owner[0] == namespace and name in ("", owner[1])
            for version in versions
            if (version.name, version.version) > position
        )
        return list(islice(matching, limit))

    async def definitions(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Workflow]:
        """See `WorkflowStore.definitions`."""
        stored = self._database.definitions
        return {each: stored[each] for each in wanted if each in stored}

    def _next(self, namespace: str, name: str, digest: str, created_at: Micros) -> RegisterResult:
        versions = self._database.versions.setdefault((namespace, name), [])
        if versions and versions[-1].digest == digest:
            return RegisterResult(versions[-1], existed=True)
        versions.append(RegisteredVersion(namespace, name, len(versions) + 1, digest, created_at))
        return RegisterResult(versions[-1], existed=False)
