"""Reading everything in PostgreSQL, at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flowmesh_core.adapters.codec import decode_events
from flowmesh_core.adapters.postgres.execution_store import record_of
from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.audit import AuditedRow, AuditSnapshot, SubmissionRequest
from flowmesh_core.ports.undecodable import Undecodable

if TYPE_CHECKING:
    import asyncpg

    from flowmesh_core.adapters.postgres.pool import Connection, Pool
    from flowmesh_core.ports.execution_store import ExecutionRecord

_RECORDS = statement("audit_records")
_ROWS = statement("audit_rows")
_UNANSWERED = statement("audit_unanswered")
_ANSWERS = statement("audit_answers")
_LAST_SEQUENCES = statement("audit_last_sequences")

_PREFETCH = 200
"""Rows that are in memory at a time; one may be as large as an output."""


class PostgresAuditStore:
    """The `AuditStore` port on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AuditSnapshot]:
        """See `AuditStore.snapshot`."""
        async with (
            connection(self._pool) as borrowed,
            borrowed.transaction(isolation="repeatable_read", readonly=True),
        ):
            # The snapshot is taken by the first statement, and is to be that of this moment.
            await borrowed.execute("SELECT 1")
            yield _Snapshot(borrowed)


class _Snapshot:
    """One transaction; its iterators are cursors and may be read in turns."""

    def __init__(self, borrowed: Connection) -> None:
        self._borrowed = borrowed

    async def records(self) -> AsyncIterator[ExecutionRecord]:
        """See `AuditSnapshot.records`."""
        async for row in self._borrowed.cursor(_RECORDS, prefetch=_PREFETCH):
            yield record_of(row)

    async def rows(self) -> AsyncIterator[AuditedRow]:
        """See `AuditSnapshot.rows`."""
        async for row in self._borrowed.cursor(_ROWS, prefetch=_PREFETCH):
            yield _row(row)

    async def unanswered_requests(self) -> AsyncIterator[SubmissionRequest]:
        """See `AuditSnapshot.unanswered_requests`."""
        async for row in self._borrowed.cursor(_UNANSWERED, prefetch=_PREFETCH):
            yield SubmissionRequest(row["namespace"], row["request_id"])

    async def answers(
        self, requests: Collection[SubmissionRequest]
    ) -> Mapping[SubmissionRequest, ExecutionKey]:
        """See `AuditSnapshot.answers`."""
        wanted = list(requests)
        rows = await self._borrowed.fetch(
            _ANSWERS, [each.namespace for each in wanted], [each.request_id for each in wanted]
        )
        return {
            SubmissionRequest(row["namespace"], row["request_id"]): ExecutionKey(
                row["namespace"], row["answer"]
            )
            for row in rows
        }

    async def last_sequences(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """See `AuditSnapshot.last_sequences`."""
        wanted = list(keys)
        rows = await self._borrowed.fetch(
            _LAST_SEQUENCES, [key.namespace for key in wanted], [key.execution_id for key in wanted]
        )
        return {ExecutionKey(row["namespace"], row["execution_id"]): row["last_sequence"] for row in rows}


def _row(row: asyncpg.Record) -> AuditedRow:
    key = ExecutionKey(row["namespace"], row["execution_id"])
    first, last = row["first_sequence"], row["last_sequence"]
    try:
        return AuditedRow(key, first, last, decode_events(row["schema_version"], first, row["body"]))
    except Undecodable as error:
        return AuditedRow(key, first, last, problem=str(error))
