"""The twins of the audit ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmesh_core.domain.payload import NULL
from flowmesh_core.ports.audit import AuditedRow, AuditSnapshot, Backlog, SubmissionRequest

if TYPE_CHECKING:
    from flowmesh_core.adapters.memory.database import MemoryDatabase
    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.domain.identity import ExecutionKey
    from flowmesh_core.ports.execution_store import ExecutionRecord


class MemoryAuditStore:
    """The twin of the `AuditStore` port."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AuditSnapshot]:
        """See `AuditStore.snapshot`."""
        yield _Snapshot(self._database)


class _Snapshot:
    """Copies of the tables, which nothing of the cluster changes any more."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._records = {key: row.record for key, row in sorted(database.executions.items())}
        self._histories = {key: dict(rows) for key, rows in sorted(database.histories.items())}
        self._requests = copy(database.requests)

    async def records(self) -> AsyncIterator[ExecutionRecord]:
        """See `AuditSnapshot.records`."""
        for record in self._records.values():
            yield replace(record, input=NULL)

    async def rows(self) -> AsyncIterator[AuditedRow]:
        """See `AuditSnapshot.rows`."""
        for key, rows in self._histories.items():
            for first, events in sorted(rows.items()):
                yield AuditedRow(key, first, events[-1].sequence, events)

    async def unanswered_requests(self) -> AsyncIterator[SubmissionRequest]:
        """See `AuditSnapshot.unanswered_requests`."""
        for (namespace, request_id), row in sorted(self._requests.items(), key=lambda item: item[0]):
            if row.answer not in self._records:
                yield SubmissionRequest(namespace, request_id)

    async def answers(
        self, requests: Collection[SubmissionRequest]
    ) -> Mapping[SubmissionRequest, ExecutionKey]:
        """See `AuditSnapshot.answers`."""
        names = {each: (each.namespace, each.request_id) for each in requests}
        return {each: self._requests[name].answer for each, name in names.items() if name in self._requests}

    async def last_sequences(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """See `AuditSnapshot.last_sequences`."""
        return {
            key: max((events[-1].sequence for events in self._histories.get(key, {}).values()), default=0)
            for key in keys
            if key in self._records
        }


class MemoryTransportAudit:
    """The twin of the `TransportAudit` port."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def marks(self) -> AsyncIterator[Mapping[ExecutionKey, int]]:
        """See `TransportAudit.marks`."""
        self._transport.require()
        for marks in list(self._transport.dispatched.values()):
            if marks:
                yield dict(marks)

    async def backlogs(self) -> AsyncIterator[Backlog]:
        """See `TransportAudit.backlogs`."""
        self._transport.require()
        for partition, log in sorted(self._transport.logs.items()):
            yield Backlog(f"commands of partition {partition}", len(log.entries))
        for name, queue in list(self._transport.queues.items()):
            pending = len(queue.pending)
            yield Backlog(f"tasks of {name.namespace}/{name.handler}", len(queue.waiting) + pending, pending)
