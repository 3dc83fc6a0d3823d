"""Definitions of workflows in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import asyncpg

from flowmesh_core.adapters.codec import decode_workflow
from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.adapters.postgres.registration import Registration
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.workflow_store import RegisteredVersion, RegisterResult, VersionPosition

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Pool

_GET_VERSION = statement("get_version")
_LIST_VERSIONS = statement("list_versions")
_DEFINITIONS = statement("definitions")

_DECODED_ON_THE_LOOP = 256 * 1024
_ATTEMPTS = 100
"""More than the calls for one name, or with one request id, that ever run at once."""


class PostgresWorkflowStore:
    """The `WorkflowStore` port on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

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
        registration = Registration(namespace, workflow, digest, created_at, request_id)
        async with connection(self._pool) as borrowed:
            for _ in range(_ATTEMPTS):
                result = await registration.attempt(borrowed)
                if result is not None:
                    return result
        raise StoreUnavailable(f"too many registrations of {workflow.name} at once", retry_after=1.0)

    async def get_version(self, namespace: str, name: str, version: int) -> RegisteredVersion | None:
        """See `WorkflowStore.get_version`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(_GET_VERSION, namespace, name, version)
        return None if row is None else _version(row)

    async def list_versions(
        self, namespace: str, *, name: str, after: VersionPosition | None, limit: int
    ) -> Sequence[RegisteredVersion]:
        """See `WorkflowStore.list_versions`."""
        position = after or VersionPosition("", 0)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                _LIST_VERSIONS, namespace, name, position.name, position.version, limit
            )
        return [_version(row) for row in rows]

    async def definitions(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Workflow]:
        """See `WorkflowStore.definitions`."""
        pairs = list(set(wanted))
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                _DEFINITIONS, [namespace for namespace, _ in pairs], [digest for _, digest in pairs]
            )
        return {(row["namespace"], row["digest"]): await _decoded(row["body"]) for row in rows}


async def _decoded(body: bytes) -> Workflow:
    """Decode beside the event loop what would hold it up: leases are renewed on it."""
    if len(body) > _DECODED_ON_THE_LOOP:
        return await asyncio.to_thread(decode_workflow, body)
    return decode_workflow(body)


def _version(row: asyncpg.Record) -> RegisteredVersion:
    return RegisteredVersion(row["namespace"], row["name"], row["version"], row["digest"], row["created_at"])
