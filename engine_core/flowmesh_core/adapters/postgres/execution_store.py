"""Executions in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import asyncpg

from flowmesh_core.adapters.codec import decode_failure, decode_payload
from flowmesh_core.adapters.postgres.listing import listing
from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.adapters.postgres.submission import DefinitionKey, Submission
from flowmesh_core.domain.errors import WorkflowNotFound
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import (
    CreateResult,
    ExecutionFilter,
    ExecutionRecord,
    ListPosition,
    NewExecution,
    PendingKey,
)

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Connection, Pool

_CLAIM_REQUEST = statement("claim_request")
_GET_MANY = statement("get_many")
_OPEN_KEYS = statement("open_keys")
_PENDING_KEYS = statement("pending_keys")
_DELETE_CLOSED = statement("delete_closed")

_BEFORE_ALL = PendingKey(Micros(0), 0, ExecutionKey("", ""))
_STORED_LIMIT = 10_000
"""So many definitions are known to be stored, and need not be sent again."""


class PostgresExecutionStore:
    """The `ExecutionStore` port on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stored: set[DefinitionKey] = set()

    async def create(self, executions: Sequence[NewExecution]) -> Sequence[CreateResult]:
        """See `ExecutionStore.create`."""
        if not executions:
            return []
        async with connection(self._pool) as borrowed:
            try:
                return await self._create(borrowed, executions)
            except WorkflowNotFound:
                if not self._stored:
                    raise
                # The database is not the one that it was: send what was left out.
                self._stored.clear()
                return await self._create(borrowed, executions)

    async def claim_request(
        self, key: ExecutionKey, method: str, request_id: str, digest: str, created_at: Micros
    ) -> bool:
        """See `ExecutionStore.claim_request`."""
        async with connection(self._pool) as borrowed:
            stands_for = await borrowed.fetchval(
                _CLAIM_REQUEST, key.namespace, method, request_id, digest, key.execution_id, created_at
            )
        return bool(stands_for == digest)

    async def get(self, key: ExecutionKey) -> ExecutionRecord | None:
        """See `ExecutionStore.get`."""
        found = await self.get_many([key])
        return found[0] if found else None

    async def get_many(self, keys: Collection[ExecutionKey]) -> Sequence[ExecutionRecord]:
        """See `ExecutionStore.get_many`."""
        wanted = list(set(keys))
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                _GET_MANY, [key.namespace for key in wanted], [key.execution_id for key in wanted]
            )
        return [record_of(row) for row in rows]

    async def list(
        self, query: ExecutionFilter, *, after: ListPosition | None, limit: int
    ) -> Sequence[ExecutionRecord]:
        """See `ExecutionStore.list`."""
        text, arguments = listing(query, after, limit)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(text, *arguments)
        return [record_of(row) for row in rows]

    async def open_keys(self, partitions: Collection[int]) -> Sequence[ExecutionKey]:
        """See `ExecutionStore.open_keys`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_OPEN_KEYS, list(partitions))
        return [ExecutionKey(row["namespace"], row["execution_id"]) for row in rows]

    async def pending_keys(
        self, created_before: Micros, limit: int, after: PendingKey | None = None
    ) -> Sequence[PendingKey]:
        """See `ExecutionStore.pending_keys`."""
        place = _BEFORE_ALL if after is None else after
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_PENDING_KEYS, created_before, limit, place.created_at, *place.key)
        return [_pending_key(row) for row in rows]

    async def delete_closed(self, closed_before: Micros, limit: int) -> int:
        """See `ExecutionStore.delete_closed`."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(_DELETE_CLOSED, closed_before, limit))

    async def _create(
        self, borrowed: Connection, executions: Sequence[NewExecution]
    ) -> Sequence[CreateResult]:
        submission = Submission(executions, self._stored)
        results = await submission.run(borrowed)
        if len(self._stored) > _STORED_LIMIT:
            self._stored.clear()
        self._stored.update(submission.definitions)
        return results


def _pending_key(row: asyncpg.Record) -> PendingKey:
    key = ExecutionKey(row["namespace"], row["execution_id"])
    return PendingKey(row["created_at"], row["partition"], key)


def record_of(row: asyncpg.Record) -> ExecutionRecord:
    """Return the record in a row that has all of its columns; `input` may be null."""
    return ExecutionRecord(
        key=ExecutionKey(row["namespace"], row["execution_id"]),
        partition=row["partition"],
        workflow_name=row["workflow_name"],
        workflow_version=row["workflow_version"],
        workflow_digest=row["workflow_digest"],
        labels=row["labels"],
        input=NULL if row["input"] is None else decode_payload(row["input"]),
        status=ExecutionStatus[row["status"]],
        created_at=row["created_at"],
        started_at=row["started_at"],
        closed_at=row["closed_at"],
        failure=None if row["failure"] is None else decode_failure(row["failure"]),
        traceparent=row["traceparent"],
    )
