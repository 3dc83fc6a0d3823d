"""Definitions of workflows, immutable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a registered workflow, without its content."""

    namespace: str
    name: str
    version: int
    digest: str
    created_at: Micros


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """What a registration stands for; `existed` when the content was the newest version already."""

    version: RegisteredVersion
    existed: bool


@dataclass(frozen=True, slots=True)
class VersionPosition:
    """The last version of a page: the next page begins after it."""

    name: str
    version: int


class WorkflowStore(Protocol):
    """Keeps definitions by (namespace, digest) and versions by name. May raise `StoreUnavailable`."""

    async def register(
        self,
        namespace: str,
        workflow: Workflow,
        digest: str,
        created_at: Micros,
        *,
        request_id: str = "",
    ) -> RegisterResult:
        """Store the workflow as the next version of its name, unless the newest has this digest.

        Concurrent calls for one name get different versions without gaps.

        Raises:
            IdempotencyMismatch: The request id was used with another name or digest.
        """

    async def get_version(self, namespace: str, name: str, version: int) -> RegisteredVersion | None:
        """Return a version, the newest for 0, or None."""

    async def list_versions(
        self, namespace: str, *, name: str, after: VersionPosition | None, limit: int
    ) -> Sequence[RegisteredVersion]:
        """Return versions by (name, version) ascending, only of `name` unless it is empty."""

    async def definitions(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Workflow]:
        """Return the workflows of these (namespace, digest) that are stored, in one round trip.

        Raises:
            Undecodable: One of them is not what this code stores, or newer code stored it.
        """
