"""Executions in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice

from flowmesh_core.adapters.memory.database import ExecutionRow, MemoryDatabase, RequestRow
from flowmesh_core.domain.errors import WorkflowNotFound
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import (
    CreateResult,
    CreateStatus,
    ExecutionFilter,
    ExecutionRecord,
    ListPosition,
    NewExecution,
    PendingKey,
)


class MemoryExecutionStore:
    """The twin of the `ExecutionStore` port."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def create(self, executions: Sequence[NewExecution]) -> Sequence[CreateResult]:
        """See `ExecutionStore.create`."""
        definitions = {
            (each.key.namespace, each.workflow_digest): each.workflow
            for each in executions
            if each.workflow is not None
        }
        for each in executions:
            definition = (each.key.namespace, each.workflow_digest)
            if definition not in definitions and definition not in self._database.definitions:
                raise WorkflowNotFound(
                    f"no definition with digest {each.workflow_digest}",
                    metadata={"digest": each.workflow_digest},
                )
        for definition, workflow in definitions.items():
            self._database.definitions.setdefault(definition, workflow)
        return [self._create(each) for each in executions]

    async def claim_request(
        self, key: ExecutionKey, method: str, request_id: str, digest: str, created_at: Micros
    ) -> bool:
        """See `ExecutionStore.claim_request`."""
        del created_at
        row = self._database.operations.setdefault(
            (key.namespace, method, request_id), RequestRow(digest, key)
        )
        return row.digest == digest

    async def get(self, key: ExecutionKey) -> ExecutionRecord | None:
        """See `ExecutionStore.get`."""
        row = self._database.executions.get(key)
        return None if row is None else row.record

    async def get_many(self, keys: Collection[ExecutionKey]) -> Sequence[ExecutionRecord]:
        """See `ExecutionStore.get_many`."""
        rows = self._database.executions
        return [rows[key].record for key in set(keys) if key in rows]

    async def list(
        self, query: ExecutionFilter, *, after: ListPosition | None, limit: int
    ) -> Sequence[ExecutionRecord]:
        """See `ExecutionStore.list`."""
        matching = (each for each in self._records() if _matches(each, query))
        newest = sorted(matching, key=_position, reverse=True)
        page = (each for each in newest if after is None or _position(each) < _as_pair(after))
        return [replace(each, input=NULL) for each in islice(page, limit)]

    async def open_keys(self, partitions: Collection[int]) -> Sequence[ExecutionKey]:
        """See `ExecutionStore.open_keys`."""
        live = (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)
        return [each.key for each in self._records() if each.status in live and each.partition in partitions]

    async def pending_keys(
        self, created_before: Micros, limit: int, after: PendingKey | None = None
    ) -> Sequence[PendingKey]:
        """See `ExecutionStore.pending_keys`."""
        pending = [
            PendingKey(each.created_at, each.partition, each.key)
            for each in self._records()
            if each.status is ExecutionStatus.PENDING and each.created_at < created_before
        ]
        oldest = sorted(pending, key=_place)
        behind = (each for each in oldest if after is None or _place(each) > _place(after))
        return list(islice(behind, limit))

    async def delete_closed(self, closed_before: Micros, limit: int) -> int:
        """See `ExecutionStore.delete_closed`."""
        closed = [(each.closed_at, each.key) for each in self._records() if each.closed_at is not None]
        old = sorted((at, key) for at, key in closed if at < closed_before)[:limit]
        removed = {key for _, key in old}
        for key in removed:
            del self._database.executions[key]
            self._database.histories.pop(key, None)
        requests = self._database.requests
        self._database.requests = {name: row for name, row in requests.items() if row.answer not in removed}
        operations = self._database.operations
        self._database.operations = {
            name: row for name, row in operations.items() if row.answer not in removed
        }
        return len(removed)

    def _records(self) -> Collection[ExecutionRecord]:
        return [row.record for row in self._database.executions.values()]

    def _create(self, new: NewExecution) -> CreateResult:
        key = new.key
        if new.request_id:
            row = RequestRow(new.request_digest, new.key)
            request = self._database.requests.setdefault((key.namespace, new.request_id), row)
            if request.digest != new.request_digest:
                return CreateResult(CreateStatus.REQUEST_MISMATCH, request.answer)
            key = request.answer
        stored = self._database.executions.get(key)
        if stored is None:
            self._database.executions[key] = ExecutionRow(_accepted(new), new.request_digest)
            return CreateResult(CreateStatus.CREATED, key)
        same = stored.request_digest == new.request_digest
        return CreateResult(CreateStatus.REPLAYED if same else CreateStatus.EXECUTION_EXISTS, key)


def _accepted(new: NewExecution) -> ExecutionRecord:
    return ExecutionRecord(
        key=new.key,
        partition=new.partition,
        workflow_name=new.workflow_name,
        workflow_version=new.workflow_version,
        workflow_digest=new.workflow_digest,
        labels=dict(new.labels),
        input=new.input,
        status=ExecutionStatus.PENDING,
        created_at=new.created_at,
        traceparent=new.traceparent,
    )


def _position(record: ExecutionRecord) -> tuple[Micros, str]:
    return record.created_at, record.key.execution_id


def _place(pending: PendingKey) -> tuple[Micros, ExecutionKey]:
    return pending.created_at, pending.key


def _as_pair(position: ListPosition) -> tuple[Micros, str]:
    return position.created_at, position.execution_id


def _matches(record: ExecutionRecord, query: ExecutionFilter) -> bool:
    return (
        record.key.namespace == query.namespace
        and query.workflow_name in ("", record.workflow_name)
        and (not query.statuses or record.status in query.statuses)
        and query.labels.items() <= record.labels.items()
        and (query.created_after is None or record.created_at >= query.created_after)
        and (query.created_before is None or record.created_at < query.created_before)
    )
