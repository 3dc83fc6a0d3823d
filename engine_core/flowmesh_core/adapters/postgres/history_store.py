"""History in PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import asyncpg

from flowmesh_core.adapters.codec import decode_events, encode_events, encode_failure
from flowmesh_core.adapters.postgres.pool import UNANSWERED, connection, discard
from flowmesh_core.adapters.postgres.sql import statement
from flowmesh_core.adapters.record_changes import record_changes
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.formats import AgreedFormat
from flowmesh_core.ports.history_store import (
    AppendOutcomeUnknown,
    HistoryBatch,
    HistoryConflict,
    OwnershipLost,
)
from flowmesh_core.ports.membership import PartitionLease

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Connection, Pool

_APPEND = statement("append")
_READ = statement("read")
_READ_MANY = statement("read_many")
_NEWEST = statement("newest")
_READ_NEW = statement("read_new")


class PostgresHistoryStore:
    """The `HistoryStore` port on PostgreSQL."""

    def __init__(self, pool: Pool, agreed: AgreedFormat | None = None) -> None:
        self._pool = pool
        self._agreed = agreed or AgreedFormat()

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        """See `HistoryStore.append`."""
        arguments = [
            [lease.partition for lease in leases],
            [lease.epoch for lease in leases],
            member_id,
            *_rows(batches, self._agreed.number),
            *_changes(batches),
        ]
        async with connection(self._pool) as borrowed:
            intact = await _append(borrowed, arguments)
        lost = {lease.partition for lease in leases}.difference(intact)
        if lost:
            raise OwnershipLost(lost)

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        """See `HistoryStore.read`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_READ, key.namespace, key.execution_id, after, limit)
        return [event for row in rows for event in _events(row) if event.sequence > after]

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """See `HistoryStore.newest`."""
        wanted = list(set(keys))
        namespaces, ids = [key.namespace for key in wanted], [key.execution_id for key in wanted]
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(_NEWEST, namespaces, ids)
        return {ExecutionKey(row["namespace"], row["execution_id"]): row["last_sequence"] for row in rows}

    async def read_many(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        """See `HistoryStore.read_many`."""
        wanted = list(set(keys))
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                _READ_MANY, [key.namespace for key in wanted], [key.execution_id for key in wanted]
            )
        return _by_execution(rows)

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        """See `HistoryStore.read_new`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                _READ_NEW,
                [key.namespace for key in positions],
                [key.execution_id for key in positions],
                list(positions.values()),
                limit,
            )
        return {
            key: [event for event in events if event.sequence > positions[key]]
            for key, events in _by_execution(rows).items()
        }


async def _append(borrowed: Connection, arguments: list[object]) -> list[int]:
    try:
        return [row["partition"] for row in await borrowed.fetch(_APPEND, *arguments)]
    except asyncpg.UniqueViolationError as error:
        raise HistoryConflict(str(error)) from error
    except UNANSWERED as error:
        discard(borrowed)
        raise AppendOutcomeUnknown(str(error) or type(error).__name__) from error


def _rows(batches: Sequence[HistoryBatch], version: int) -> tuple[object, ...]:
    return (
        [batch.key.namespace for batch in batches],
        [batch.key.execution_id for batch in batches],
        [batch.events[0].sequence for batch in batches],
        [batch.events[-1].sequence for batch in batches],
        version,
        [encode_events(batch.events, version) for batch in batches],
    )


def _changes(batches: Sequence[HistoryBatch]) -> tuple[object, ...]:
    changes = record_changes(batches)
    return (
        [key.namespace for key in changes],
        [key.execution_id for key in changes],
        [change.status.name for change in changes.values()],
        [change.started_at for change in changes.values()],
        [change.closed_at for change in changes.values()],
        [change.failure and encode_failure(change.failure) for change in changes.values()],
    )


def _events(row: asyncpg.Record) -> list[Event]:
    return decode_events(row["schema_version"], row["first_sequence"], row["body"])


def _by_execution(rows: Sequence[asyncpg.Record]) -> dict[ExecutionKey, list[Event]]:
    histories: dict[ExecutionKey, list[Event]] = defaultdict(list)
    for row in rows:
        histories[ExecutionKey(row["namespace"], row["execution_id"])] += _events(row)
    return dict(histories)
