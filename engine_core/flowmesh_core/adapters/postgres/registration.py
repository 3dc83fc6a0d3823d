"""Storing a workflow as the next version of its name."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from flowmesh_core.adapters.codec import encode_workflow
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.errors import IdempotencyMismatch
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.workflow_store import RegisteredVersion, RegisterResult

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Connection

_GET_REGISTRATION = statement("get_registration")
_CLAIM_REGISTRATION = statement("claim_registration")
_GET_VERSION = statement("get_version")
_REGISTER = statement("register")


class Registration:
    """One call of `register`."""

    def __init__(
        self, namespace: str, workflow: Workflow, digest: str, created_at: Micros, request_id: str
    ) -> None:
        self._namespace = namespace
        self._workflow = workflow
        self._digest = digest
        self._created_at = created_at
        self._request_id = request_id

    async def attempt(self, borrowed: Connection) -> RegisterResult | None:
        """Register in one transaction; None when a call that ran at the same time was faster.

        Raises:
            IdempotencyMismatch: The request id was used with another name or digest.
        """
        replayed = await self._replay(borrowed)
        if replayed is not None:
            return replayed
        transaction = borrowed.transaction()
        await transaction.start()
        result = None
        try:
            result = await self._register(borrowed)
            if result is not None and not await self._claim(borrowed, result):
                result = None
        finally:
            await (transaction.rollback() if result is None else transaction.commit())
        return result

    async def _replay(self, borrowed: Connection) -> RegisterResult | None:
        if not self._request_id:
            return None
        row = await borrowed.fetchrow(_GET_REGISTRATION, self._namespace, self._request_id)
        if row is None:
            return None
        name, version, existed = row["answer"].split(":")
        if name != self._workflow.name or row["digest"] != self._digest:
            raise IdempotencyMismatch(
                f"request id {self._request_id} was used with another workflow",
                metadata={"request_id": self._request_id},
            )
        stored = await self._version(borrowed, int(version))
        return None if stored is None else RegisterResult(stored, existed=existed == "1")

    async def _register(self, borrowed: Connection) -> RegisterResult | None:
        newest = await self._version(borrowed, 0)
        if newest is not None and newest.digest == self._digest:
            return RegisterResult(newest, existed=True)
        known = 0 if newest is None else newest.version
        version = await borrowed.fetchval(
            _REGISTER,
            *(self._namespace, self._workflow.name, self._digest, self._body, self._created_at, known),
        )
        return None if version is None else RegisterResult(self._stored_as(version), existed=False)

    async def _claim(self, borrowed: Connection, result: RegisterResult) -> bool:
        if not self._request_id:
            return True
        answer = f"{self._workflow.name}:{result.version.version}:{int(result.existed)}"
        claimed = await borrowed.fetchval(
            _CLAIM_REGISTRATION,
            *(self._namespace, self._request_id, self._digest, answer, self._created_at),
        )
        return claimed is not None

    async def _version(self, borrowed: Connection, version: int) -> RegisteredVersion | None:
        row = await borrowed.fetchrow(_GET_VERSION, self._namespace, self._workflow.name, version)
        return None if row is None else self._stored_as(row["version"], row["digest"], row["created_at"])

    def _stored_as(
        self, version: int, digest: str = "", created_at: Micros | None = None
    ) -> RegisteredVersion:
        return RegisteredVersion(
            self._namespace,
            self._workflow.name,
            version,
            digest or self._digest,
            self._created_at if created_at is None else created_at,
        )

    @cached_property
    def _body(self) -> bytes:
        return encode_workflow(self._workflow)
