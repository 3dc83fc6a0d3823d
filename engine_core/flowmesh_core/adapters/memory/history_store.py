"""History in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.record_changes import RecordChange, record_changes
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.execution_store import ExecutionRecord
from flowmesh_core.ports.history_store import HistoryBatch, HistoryConflict, OwnershipLost
from flowmesh_core.ports.membership import PartitionLease


class MemoryHistoryStore:
    """The twin of the `HistoryStore` port; the partitions of its database are the fence."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        """See `HistoryStore.append`."""
        lost = {lease.partition for lease in leases if not self._holds(member_id, lease)}
        if lost:
            raise OwnershipLost(lost)
        self._check_free(batches)
        for batch in batches:
            self._database.histories.setdefault(batch.key, {})[batch.events[0].sequence] = batch.events
        for key, change in record_changes(batches).items():
            row = self._database.executions.get(key)
            if row is not None:
                row.record = _changed(row.record, change)

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        """See `HistoryStore.read`."""
        page: list[Event] = []
        for row in self._database.histories.get(key, {}).values():
            if len(page) >= limit:
                break
            page += [event for event in row if event.sequence > after]
        return page

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """See `HistoryStore.newest`."""
        found = await MemoryHistoryStore.read_many(self, keys)
        return {key: events[-1].sequence for key, events in found.items()}

    async def read_many(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        """See `HistoryStore.read_many`."""
        histories = self._database.histories
        return {
            key: [event for row in histories[key].values() for event in row]
            for key in keys
            if key in histories
        }

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        """See `HistoryStore.read_new`."""
        pages = {key: await self.read(key, after=after, limit=limit) for key, after in positions.items()}
        return {key: page for key, page in pages.items() if page}

    def _holds(self, member_id: str, lease: PartitionLease) -> bool:
        row = self._database.partitions.get(lease.partition)
        return row is not None and row.owner == member_id and row.epoch == lease.epoch

    def _check_free(self, batches: Sequence[HistoryBatch]) -> None:
        taken: set[tuple[ExecutionKey, int]] = set()
        for batch in batches:
            first = batch.events[0].sequence
            rows = self._database.histories.get(batch.key, {})
            if (batch.key, first) in taken or first in rows:
                raise HistoryConflict(f"sequence {first} of {batch.key} is taken")
            taken.add((batch.key, first))


def _changed(record: ExecutionRecord, change: RecordChange) -> ExecutionRecord:
    return replace(
        record,
        status=change.status,
        started_at=record.started_at if change.started_at is None else change.started_at,
        closed_at=record.closed_at if change.closed_at is None else change.closed_at,
        failure=record.failure if change.failure is None else change.failure,
    )
